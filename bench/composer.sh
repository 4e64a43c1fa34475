#!/bin/sh
# Make .composer-venv: Composer 0.32.1 beside the torch that smidgen is built with.
#
# Composer asks for an older torch and torchvision; it runs on this one, so that both sides of the
# comparison share every kernel of torch. torchvision is installed without its own requirements,
# and composer_rounds.py tells torch of the operators that its compiled part would have brought.
set -eu
cd "$(dirname "$0")"
python="${PYTHON:-python3}"
[ -x .composer-venv/bin/python ] || "$python" -m venv .composer-venv
pip=".composer-venv/bin/pip --disable-pip-version-check --quiet install"
# Composer's other requirements, as it states them, but for MosaicML's command line and MLflow.
$pip torch==2.13.0 "numpy<2.3" "pyyaml<7" "tqdm<5" "requests<3" "psutil<8" "coolname<3" \
  tabulate==0.9.0 "py-cpuinfo<10" "packaging<25.1" "importlib-metadata<9" "pillow<12"
$pip --no-deps mosaicml==0.32.1 torchvision==0.21.0 torchmetrics==1.7.4 lightning-utilities \
  torch_optimizer==0.3.0 pytorch-ranger
.composer-venv/bin/python composer_rounds.py --check
