#!/bin/sh
# Make bench/.peers: an environment each for OpenVINO, LiteRT, ExecuTorch and emx-onnx-cgen, at
# fixed versions.
#
# They disagree with one another about their requirements, so none of them shares smidgen's own.
# A peer that cannot be installed is left out, and the benchmarks report it as missing.
set -u
cd "$(dirname "$0")"
python="${PYTHON:-python3}"
mkdir -p .peers
echo '*' > .peers/.gitignore
echo 'torch==2.13.0' > .peers/constraints.txt

peer() {
    name=$1 check=$2
    shift 2
    pip=".peers/$name/bin/pip --disable-pip-version-check --quiet install --constraint .peers/constraints.txt"
    [ -x ".peers/$name/bin/python" ] || "$python" -m venv ".peers/$name"
    # torch first, and fixed: anything later is content with it
    case $name in openvino | emx) ;; *) $pip torch ;; esac
    if $pip "$@" && ".peers/$name/bin/python" -c "import $check" 2>/dev/null; then
        echo "$name: ready"
    else
        echo "$name: cannot be installed here" >&2
        rm -rf ".peers/$name"
    fi
}

peer openvino openvino openvino==2026.4.1
peer executorch executorch.runtime executorch==1.5.1
peer litert litert_torch litert-torch==0.10.0 ai-edge-litert==2.3.0
peer emx emx_onnx_cgen emx-onnx-cgen==1.4.0
