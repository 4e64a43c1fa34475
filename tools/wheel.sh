#!/bin/bash
# Build the wheel, install it alone into an environment of its own, and run what is in it. The
# packages that it needs are lent by the development environment.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
git archive HEAD 2>/dev/null | tar -x -C "$folder" --one-top-level=source
cd "$folder"
"$python" -m pip wheel -q --no-deps --no-build-isolation -w wheels ./source
wheel=$(ls wheels/smidgen-*-py3-none-*.whl)  # one a platform, whatever the Python
"$python" -m venv --without-pip env
"$python" -m pip --python env/bin/python install -q --no-deps "$wheel"
lent=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
PYTHONPATH=$(echo env/lib/python*/site-packages):$lent env/bin/python - <<'PYTHON'
from pathlib import Path

import smidgen
from smidgen import kernels

assert Path(smidgen.__file__).is_relative_to(Path("env").resolve()), smidgen.__file__
assert set(kernels.available()) - {"torch"}, "the wheel holds no compiled operations"
PYTHON
PYTHONPATH=$(echo env/lib/python*/site-packages):$lent env/bin/smidgen inspect mnist-1k5-dw --json >/dev/null
echo "$(basename "$wheel"): $(stat -c %s "$wheel") bytes, installed and run"
