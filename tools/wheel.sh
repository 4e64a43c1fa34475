#!/bin/bash
# Build the wheel, install it into an environment of its own, train and export from an empty folder,
# and keep it in dist/. The packages that it needs are lent: by the development environment, or by
# that of the Python that is named, as in tools/wheel.sh ~/another/bin/python3.13.
set -euo pipefail
unset PYTHONPATH
root=$(cd "$(dirname "$0")/.." && pwd)
ours=$root/.venv/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir "$folder/source" "$folder/empty"
tar -C "$root" --exclude='*.so' --exclude=__pycache__ --exclude='*.egg-info' \
    -cf - pyproject.toml setup.py README.md LICENSE LICENSE-0BSD THIRD_PARTY.md src | tar -xf - -C "$folder/source"
cd "$folder"
compiled=$root/src/smidgen/kernels/native.so # by `make setup`; again it would take 80 s of a processor
if [ -f "$compiled" ] && [ -z "$(find "$root/setup.py" "$root/src/smidgen/kernels/csrc" -newer "$compiled")" ]; then
    export SMIDGEN_COMPILED="$compiled"
fi
"$ours" -m pip wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w wheels ./source
wheel=$(ls wheels/smidgen-*-py3-none-*.whl)  # one a platform, whatever the Python
lender=${1:-$ours}
"$lender" -m venv --without-pip env
"$ours" -m pip --python env/bin/python install -q --disable-pip-version-check --no-deps "$wheel"
packages=$(env/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$lender" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' >"$packages/lent.pth"
cd empty
../env/bin/python - <<'PYTHON'
import sys
from pathlib import Path

import smidgen
from smidgen import kernels

assert Path(smidgen.__file__).is_relative_to(Path(sys.prefix).resolve()), smidgen.__file__
assert set(kernels.available()) - {"torch"}, "the wheel holds no compiled operations"
PYTHON
smidgen=../env/bin/smidgen
# Joined, since within braces before || no failure but the last would count.
{
    $smidgen list recipes && $smidgen train mnist-1k5-dw --data digits --epochs 2 --out run &&
        $smidgen export run --to c --out shipped && grep -q reference-mnist said
} >said 2>&1 || { cat said; exit 1; }
test -s shipped/artefact.json
mkdir -p "$root/dist"
cp "../$wheel" "$root/dist/"
echo "$(basename "$wheel"): $(($(wc -c <"../$wheel"))) bytes; trained and exported under" \
     "$(../env/bin/python --version)"
