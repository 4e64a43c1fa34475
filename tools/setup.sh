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
# What is imported is compiled then, once: to compile all that is installed takes half a minute.
pip() { $bin/python -m pip --disable-pip-version-check "$@"; }
install() { pip install --quiet --no-compile --constraint constraints.txt "$@"; }

if ! $bin/python -c 'import torch' 2>/dev/null; then
    if command -v nvidia-smi >/dev/null 2>&1 && nvidia-smi >/dev/null 2>&1; then
        install "$torch"
    elif pip install --dry-run --quiet --report - "$torch" 2>/dev/null | grep -q '"name": "nvidia-'; then
        install uv
        $bin/uv pip install --quiet --python $bin/python --torch-backend cpu "$torch"
    else
        install "$torch"
    fi
fi
install --editable '.[dev]'
