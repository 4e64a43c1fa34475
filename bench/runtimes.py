"""The contenders of bench/inference.py: a process each, under the Python that holds its library.

A contender reads one JSON message a line and answers with one. It is told once which net, where
its files lie and how many threads; then it is asked for rounds, one batch size at a time, so that
the rounds of all contenders alternate. What it does not need it does not import.
"""

import ctypes
import functools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

Call = Callable[[], Any]  # one batch; returns the logits
Prepare = Callable[[int], Call]  # for a batch size
EMX_COMPILE = (  # one image, all in one file and on the stack
    *("compile", "--model-name", "net", "--input-dim", "n=1"),
    *("--large-temp-threshold", "0", "--large-weight-threshold", "0"),
)


def torch_eager(folder: Path, threads: int) -> tuple[Prepare, str]:
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    model = _torch_model(folder).to(memory_format=torch.channels_last)

    def prepare(size: int) -> Call:
        images = _torch_images(folder, size)
        return lambda: model(images)

    return prepare, torch.__version__


def torch_compile(folder: Path, threads: int) -> tuple[Prepare, str]:
    import torch

    torch.set_num_threads(threads)
    torch.set_grad_enabled(False)
    model = _torch_model(folder).to(memory_format=torch.channels_last)

    def prepare(size: int) -> Call:
        images = _torch_images(folder, size)
        compiled = torch.compile(model, dynamic=False)
        compiled(images)
        return lambda: compiled(images)

    return prepare, torch.__version__


def _torch_images(folder: Path, size: int) -> Any:
    import torch

    # the model as trained divides by the deviation; the folded net has that in its weights
    images = torch.from_numpy(np.load(folder / "images-torch.npy")[:size].copy())
    return images.to(memory_format=torch.channels_last)


def _torch_model(folder: Path) -> Any:
    from smidgen.run import load_run

    return load_run(json.loads((folder / "job.json").read_text())["run"]).model


def onnxruntime_float32(folder: Path, threads: int) -> tuple[Prepare, str]:
    return _onnxruntime(folder / "float32.onnx", folder, threads)


def onnxruntime_int8(folder: Path, threads: int) -> tuple[Prepare, str]:
    return _onnxruntime(folder / "int8.onnx", folder, threads)


def _onnxruntime(model: Path, folder: Path, threads: int) -> tuple[Prepare, str]:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])

    def prepare(size: int) -> Call:
        binding = session.io_binding()  # the quickest way in and out that its Python offers
        binding.bind_cpu_input(session.get_inputs()[0].name, _images(folder, size))
        binding.bind_output(session.get_outputs()[0].name)

        def call() -> Any:
            session.run_with_iobinding(binding)
            return binding

        call.logits = lambda: binding.copy_outputs_to_cpu()[0]  # pyright: ignore[reportFunctionMemberAccess]
        return call

    return prepare, version("onnxruntime")


def openvino(folder: Path, threads: int) -> tuple[Prepare, str]:
    return _openvino(folder, threads, "f32")


def openvino_bf16(folder: Path, threads: int) -> tuple[Prepare, str]:
    return _openvino(folder, threads, "bf16")


def _openvino(folder: Path, threads: int, precision: str) -> tuple[Prepare, str]:
    import openvino as ov

    core = ov.Core()
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }

    def prepare(size: int) -> Call:
        images = _images(folder, size)
        model = core.read_model(folder / "float32.onnx")
        model.reshape(images.shape)
        request = core.compile_model(model, "CPU", options).create_infer_request()
        held = ov.Tensor(images, shared_memory=True)
        request.set_input_tensor(held)

        def call() -> Any:
            request.infer()
            return request

        call.keep = (images, held)  # pyright: ignore[reportFunctionMemberAccess]
        call.logits = lambda: request.get_output_tensor().data  # pyright: ignore[reportFunctionMemberAccess]
        return call

    return prepare, version("openvino")


def litert(folder: Path, threads: int) -> tuple[Prepare, str]:
    import litert_torch
    import torch
    from ai_edge_litert.interpreter import Interpreter

    def prepare(size: int) -> Call:
        images = _images(folder, size)
        module = torch.export.load(folder / f"float32-{size}.pt2").module(check_guards=False)
        module.training = False
        module.eval = module.train = lambda *_: module  # it has no mode, but is asked for one
        place = folder / f"float32-{size}.tflite"
        if not place.exists():
            litert_torch.convert(module, (torch.from_numpy(images),)).export(str(place))
        interpreter = Interpreter(str(place), num_threads=threads)
        interpreter.allocate_tensors()
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], images)
        output = interpreter.get_output_details()[0]["index"]

        def call() -> Any:
            interpreter.invoke()
            return interpreter

        call.logits = lambda: interpreter.get_tensor(output)  # pyright: ignore[reportFunctionMemberAccess]
        return call

    return prepare, version("ai-edge-litert")


def executorch(folder: Path, threads: int) -> tuple[Prepare, str]:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower
    from executorch.extension.pybindings import portable_lib

    portable_lib._unsafe_reset_threadpool(threads)

    def prepare(size: int) -> Call:
        images = torch.from_numpy(_images(folder, size))
        exported = torch.export.load(folder / f"float32-{size}.pt2")
        lowered = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()])
        file = lowered.to_executorch().buffer
        module = portable_lib._load_for_executorch_from_buffer(file)
        inputs = (images,)
        call = functools.partial(module.forward, inputs)
        call.keep = file  # pyright: ignore[reportAttributeAccessIssue]
        call.logits = lambda: module.forward(inputs)[0].numpy()  # pyright: ignore[reportAttributeAccessIssue]
        return call

    return prepare, version("executorch")


def c_float32(folder: Path, threads: int) -> tuple[Prepare, str]:
    return _compiled(folder, "c-float32", threads, np.float32)


def c_int8(folder: Path, threads: int) -> tuple[Prepare, str]:
    return _compiled(folder, "c-int8", threads, np.int32)


def c_int8_host(folder: Path, threads: int) -> tuple[Prepare, str]:
    return _compiled(folder, "c-int8-host", threads, np.int32)


def _compiled(folder: Path, name: str, threads: int, kind: Any) -> tuple[Prepare, str]:
    """Run our C, from bytes: normalisation is inside it, and so inside the time."""
    pixels = np.load(folder / "pixels.npy")  # n h w c
    # a copy of the library a thread: its arena is static
    runs = [ctypes.CDLL(str(folder / f"{name}-{i}.so")).run for i in range(threads)]
    classes = json.loads((folder / "job.json").read_text())["classes"]
    scale = json.loads((folder / "scale.json").read_text()) if kind == np.int32 else 1.0
    pool = ThreadPoolExecutor(threads)

    def prepare(size: int) -> Call:
        part, logits = np.ascontiguousarray(pixels[:size]), np.empty((size, classes), kind)
        share = -(-size // threads)
        jobs = [
            (
                run,
                ctypes.c_void_p(part[i * share :].ctypes.data),
                ctypes.c_void_p(logits[i * share :].ctypes.data),
                ctypes.c_int(min(share, size - i * share)),
            )
            for i, run in enumerate(runs)
            if i * share < size
        ]

        def alone() -> Any:
            run, *arguments = jobs[0]
            run(*arguments)
            return logits

        def together() -> Any:
            for future in [pool.submit(run, *arguments) for run, *arguments in jobs]:
                future.result()
            return logits

        call = alone if len(jobs) == 1 else together
        call.keep = part  # pyright: ignore[reportFunctionMemberAccess]
        call.logits = lambda: scale * call()  # pyright: ignore[reportFunctionMemberAccess]
        return call

    return prepare, "this revision"


def emx(folder: Path, threads: int) -> tuple[Prepare, str]:
    """Run emx-onnx-cgen's C, an image a call; it computes on the stack, so threads share it."""
    library = folder / "emx.so"
    if not library.exists():
        command = [str(Path(sys.executable).parent / "emx-onnx-cgen"), *EMX_COMPILE]
        command += ["float32.onnx", "emx.c"]
        subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
        files = ["emx.c", "-o", str(library), "-lm"]
        subprocess.run(["gcc", *flags, *files], cwd=folder, check=True)
    net = ctypes.CDLL(str(library)).net
    classes = json.loads((folder / "job.json").read_text())["classes"]
    pool = ThreadPoolExecutor(threads)

    def prepare(size: int) -> Call:
        images, logits = _images(folder, size), np.empty((size, classes), np.float32)
        pairs = [
            (ctypes.c_void_p(image.ctypes.data), ctypes.c_void_p(row.ctypes.data))
            for image, row in zip(images, logits, strict=True)
        ]
        shares = [pairs[at::threads] for at in range(threads) if pairs[at::threads]]

        def some(share: list[Any]) -> None:
            for image, row in share:
                net(image, row)

        def call() -> Any:
            if len(shares) == 1:
                some(shares[0])
            else:
                list(pool.map(some, shares))
            return logits

        call.keep = images  # pyright: ignore[reportFunctionMemberAccess]
        return call

    return prepare, version("emx-onnx-cgen")


CONTENDERS = {
    "torch eager": torch_eager,
    "torch.compile": torch_compile,
    "ONNX Runtime": onnxruntime_float32,
    "ONNX Runtime int8": onnxruntime_int8,
    "OpenVINO": openvino,
    "OpenVINO bf16": openvino_bf16,
    "LiteRT": litert,
    "ExecuTorch": executorch,
    "emx-onnx-cgen": emx,
    "smidgen C": c_float32,
    "smidgen C int8": c_int8,
    "smidgen C int8 host": c_int8_host,
}


def _images(folder: Path, size: int) -> Any:
    """Return normalised float32 images n c h w: the peers get them for nothing."""
    return np.ascontiguousarray(np.load(folder / "images.npy")[:size])


def measure(call: Call, seconds: float) -> float:
    """Return the seconds of one call, over as many as fit into about ``seconds``."""
    started = time.perf_counter()
    call()
    once = time.perf_counter() - started
    repeats = max(1, round(seconds / max(once, 1e-6)))
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / repeats


def logits_of(call: Call) -> Any:
    result = call()
    return getattr(call, "logits", lambda: np.asarray(result))()


def main() -> None:
    name, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    # libraries may print: keep the pipe to ourselves, and let them talk to standard error
    pipe = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())

    def send(message: Any) -> None:
        pipe.write(json.dumps(message) + "\n")
        pipe.flush()

    try:
        prepare, of_version = CONTENDERS[name](folder, threads)
        calls: dict[int, Call] = {}
        send({"version": of_version})
        for line in sys.stdin:
            size, seconds = json.loads(line)
            if size not in calls:
                calls[size] = prepare(size)
                found = np.asarray(logits_of(calls[size]), np.float64)
                measure(calls[size], seconds)  # warms up
                send({"logits": found.tolist()})
            else:
                send({"seconds": measure(calls[size], seconds)})
    except Exception as error:
        send({"error": f"{type(error).__name__}: {error}".splitlines()[0][:300]})
        raise


if __name__ == "__main__":
    main()
