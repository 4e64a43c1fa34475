#!/bin/sh
# Tag the commit that is checked out with the version of pyproject.toml, once all is ready for it.
set -eu
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
refuse() { echo "no tag: $1" >&2; exit 2; }

grep -Eq "^## $version, [0-9]{4}-[0-9]{2}-[0-9]{2}\$" CHANGELOG.md ||
    refuse "CHANGELOG.md must have a section '## $version, YEAR-MONTH-DAY'"
[ -z "$(git status --porcelain)" ] || refuse "what is checked out has changes that are not committed"
! git rev-parse -q --verify "refs/tags/v$version" >/dev/null || refuse "there is a tag v$version already"
git tag --annotate "v$version" --message "smidgen $version"
echo "v$version is $(git rev-parse --short HEAD); next: git push origin v$version"
