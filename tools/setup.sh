#!/bin/sh
# Make .venv with smidgen and everything it is developed with, at the versions of constraints.txt.
#
# On a machine without an NVIDIA GPU the CPU build of torch is installed. Where the configured
# index would bring the CUDA build instead, uv fetches the CPU build from PyTorch's own index.
set -eu
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
bin=.venv/bin
[ "${OS:-}" != Windows_NT ] || bin=.venv/Scripts
torch=$(grep '^torch==' constraints.txt)

[ -x $bin/python ] || "$python" -m venv .venv
pip() { $bin/python -m pip --disable-pip-version-check "$@"; }

if ! $bin/python -c 'import torch' 2>/dev/null; then
    if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; then
        pip install --quiet --constraint constraints.txt "$torch"
    elif pip install --dry-run --quiet --report - "$torch" 2>/dev/null | grep -q '"name": "nvidia-'; then
        pip install --quiet --constraint constraints.txt uv
        $bin/uv pip install --quiet --python $bin/python --torch-backend cpu "$torch"
    else
        pip install --quiet --constraint constraints.txt "$torch"
    fi
fi
pip install --quiet --constraint constraints.txt --editable '.[dev]'
