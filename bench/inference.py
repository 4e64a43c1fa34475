"""Compare inference speed: our C, PyTorch and six peers, in alternating rounds of one run.

    python bench/inference.py RUN [RUN ...]              a run folder each
    python bench/inference.py RUN --rounds 3 --threads 1

Peers get normalised float32 images for nothing; ours start from bytes, so that our time includes
the normalisation. OpenVINO, LiteRT, ExecuTorch and emx-onnx-cgen take part once bench/peers.sh has
made their environments; who is missing is reported as missing.
"""

import json
import sys
import tempfile
import time
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles
from subprocess import PIPE, Popen
from typing import Annotated, Any

import numpy as np
import torch
import typer
from program_module import ProgramModule
from rich.console import Console
from rich.table import Table
from rows import label_of, origin, write_rows
from runtimes import CONTENDERS
from torch import Tensor, nn

from smidgen.data import load, normalise
from smidgen.evaluate import predict
from smidgen.export.c.float32 import generate_float
from smidgen.export.c.host import compile_library
from smidgen.export.c.host_int8 import generate_host
from smidgen.export.c.int8 import generate
from smidgen.export.fold import fold
from smidgen.export.int8.calibrate import calibrate
from smidgen.export.int8.quantize import quantize
from smidgen.export.lower import lower
from smidgen.export.onnx import INPUT, OUTPUT, quantize_onnx
from smidgen.export.program import Program
from smidgen.kernels.measured import processor
from smidgen.run import Run, load_run

HERE = Path(__file__).parent
PYTHONS = {
    "OpenVINO": "openvino",
    "OpenVINO bf16": "openvino",
    "LiteRT": "litert",
    "ExecuTorch": "executorch",
    "emx-onnx-cgen": "emx",
}
OURS = "smidgen C"
BATCHES = (1, 32, 256)
SECONDS = 0.1  # of one measurement, about
PAUSE = 0.01  # before each, for threads that still spin
CALIBRATION = 512


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured of one contender at one batch size and number of threads."""

    bench: str
    net: str
    label: str  # its name, with the methods that changed its layers
    training_key: str
    contender: str
    version: str
    threads: int
    batch: int
    us_per_image: float | None  # median over rounds; none if it did not run
    low: float | None  # quartiles
    high: float | None
    times_ours: float | None  # median over rounds of its time over our float32's, same round
    difference: float | None  # of the logits from torch's, the largest
    error: str
    rounds: int
    device: str
    revision: str
    command: str
    date: str


class Contender:
    """The leader's side of one process of runtimes.py."""

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        self.name, self.error, self.version = name, "", ""
        self.difference: dict[int, float] = {}
        python = Path(sys.executable)
        if name in PYTHONS:
            python = HERE / ".peers" / PYTHONS[name] / "bin" / "python"
        self._process: Popen[str] | None = None
        if not python.exists():
            self.error = "missing: run bench/peers.sh"
            return
        command = [str(python), "-W", "ignore", str(HERE / "runtimes.py"), name, str(folder)]
        log = (folder / f"{name} {threads}.log").open("w")
        self._process = Popen(
            [*command, str(threads)], stdin=PIPE, stdout=PIPE, stderr=log, text=True
        )
        self.version = self._answer().get("version", "")

    def prepare(self, size: int, expected: np.ndarray) -> None:
        """Get ready for a batch size, and compare the logits."""
        answer = self._ask(size)
        if "logits" in answer:
            found = np.array(answer["logits"])
            self.difference[size] = float(np.abs(found - expected[: len(found)]).max())

    def round(self, size: int) -> float | None:
        """Return the seconds of one batch."""
        return self._ask(size).get("seconds")

    def close(self) -> None:
        """Let the process go."""
        if self._process is not None:
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):
                self._process.stdin.close()
            self._process.wait(timeout=60)

    def _ask(self, size: int) -> dict[str, Any]:
        if self.error or self._process is None:
            return {}
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([size, SECONDS]) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        answer = json.loads(line) if line else {"error": "ended without a word"}
        self.error = answer.get("error", "")
        return answer


def main(
    runs: Annotated[list[Path], typer.Argument(help="Folders of finished runs.")],
    rounds: Annotated[int, typer.Option(help="Of every contender, alternating.")] = 9,
    threads: Annotated[str, typer.Option(help="Numbers of threads, separated by commas.")] = "1,2",
    only: Annotated[str | None, typer.Option(help="Contenders, separated by commas.")] = None,
    data_dir: Annotated[Path | None, typer.Option(help="Local copies of data sets.")] = None,
    out: Annotated[Path, typer.Option(help="Rows, as JSON lines.")] = Path(
        "results/inference.jsonl"
    ),
    chart: Annotated[Path | None, typer.Option(help="A chart, as SVG.")] = Path(
        "docs/inference.svg"
    ),
) -> None:
    """Measure, write the rows and draw the chart."""
    names = [name.strip() for name in only.split(",")] if only else list(CONTENDERS)
    rows: list[Row] = []
    for folder in runs:
        for count in map(int, threads.split(",")):
            found = measured(folder, count, rounds, names, data_dir)
            rows += found
            show(found)
    write_rows(out, rows)
    if chart:
        from inference_chart import drawn

        chart.parent.mkdir(parents=True, exist_ok=True)
        chart.write_text(drawn([asdict(row) for row in rows]))


def measured(
    folder: Path, threads: int, rounds: int, names: list[str], data_dir: Path | None
) -> list[Row]:
    """Return a row a contender and batch size of one net and number of threads."""
    run = load_run(folder)
    data = load(run.trial.data, data_dir=data_dir)
    with tempfile.TemporaryDirectory() as place:
        prepared = Path(place)
        expected = prepare(prepared, folder, run, data, threads)
        contenders = [Contender(name, prepared, threads) for name in names]
        sizes = [size for size in BATCHES if size <= len(data.test)]
        for contender in contenders:
            for size in sizes:
                contender.prepare(size, expected)
        times: dict[tuple[str, int], list[float | None]] = {}
        for number in range(rounds):
            for size in sizes:
                turn = number % len(contenders)
                for contender in contenders[turn:] + contenders[:turn]:
                    time.sleep(PAUSE)
                    seconds = contender.round(size)
                    us = None if seconds is None else 1e6 * seconds / size
                    times.setdefault((contender.name, size), []).append(us)
        for contender in contenders:
            contender.close()
    common = {
        "bench": "inference",
        "net": run.trial.net.name,
        "label": label_of(run.trial),
        "training_key": run.trial.key,
        "threads": threads,
        "rounds": rounds,
        "device": processor(),
        **origin(),
    }
    return [
        Row(
            **common,
            contender=contender.name,
            version=contender.version,
            batch=size,
            **statistics(times[contender.name, size], times.get((OURS, size), [])),
            difference=contender.difference.get(size),
            error=contender.error,
        )
        for contender in contenders
        for size in sizes
    ]


def statistics(times: list[float | None], ours: list[float | None]) -> dict[str, float | None]:
    """Return median and quartiles, and the median ratio to ours of the same rounds."""
    known = [each for each in times if each is not None]
    if not known:
        return dict.fromkeys(("us_per_image", "low", "high", "times_ours"))
    pairs = zip(times, ours, strict=False)
    ratios = [each / own for each, own in pairs if each is not None and own is not None]
    low, middle, high = quantiles(known, n=4) if len(known) > 1 else known * 3
    return {
        "us_per_image": middle,
        "low": low,
        "high": high,
        "times_ours": median(ratios) if ratios else None,
    }


def prepare(place: Path, folder: Path, run: Run, data: Any, threads: int) -> np.ndarray:
    """Write what the contenders need, and return the logits of torch."""
    torch.set_num_threads(1)
    assert isinstance(run.model, nn.Sequential)
    program = fold(run.trial.spec, run.model, run.mean, run.std)
    size = max(BATCHES)
    images = data.test.images[:size].contiguous()
    job = {"run": str(folder.resolve()), "classes": program.classes}
    (place / "job.json").write_text(json.dumps(job))
    np.save(place / "pixels.npy", np.ascontiguousarray(images.permute(0, 2, 3, 1).numpy()))
    _peers(place, run, program, images, data.train.images)
    _ours(place, program, data.train.images, threads)
    return predict(run.model, images, run.mean, run.std).numpy()


class _Normalised(nn.Module):
    """The folded net on images that are normalised already."""

    def __init__(self, whole: ProgramModule) -> None:
        super().__init__()
        self.steps = whole.steps

    def forward(self, images: Tensor) -> Tensor:
        return self.steps(images)


def _peers(place: Path, run: Run, program: Program, images: Tensor, training: Tensor) -> None:
    """Write the net and its images in the forms that peers read."""
    whole = ProgramModule(program).eval()
    net = _Normalised(whole).eval()
    with torch.no_grad():
        ready = torch.empty(images.shape)  # plain strides: ExecuTorch refuses channels-last ones
        ready.copy_(whole.normalise(images))
        np.save(place / "images.npy", ready.numpy())
        scaled = normalise(images, run.mean, run.std, torch.float32)
        np.save(place / "images-torch.npy", scaled.contiguous().numpy())
        for size in BATCHES:
            if size <= len(ready):
                exported = torch.export.export(net, (ready[:size].contiguous(),))
                torch.export.save(exported, place / f"float32-{size}.pt2")
        examples = whole.normalise(training[:: max(1, len(training) // CALIBRATION)])
        float32 = exported_to_onnx(net, ready)
    (place / "float32.onnx").write_bytes(float32)
    int8 = quantize_onnx(float32, examples[:CALIBRATION].numpy())
    (place / "int8.onnx").write_bytes(int8)


def _ours(place: Path, program: Program, training: Tensor, threads: int) -> None:
    """Compile our C, a copy a thread: the memory that it computes in is static."""
    examples = training[:: max(1, len(training) // CALIBRATION)][:CALIBRATION].numpy()
    integers = quantize(lower(program), calibrate(lower(program), np.ascontiguousarray(examples)))
    (place / "scale.json").write_text(json.dumps(integers.head.scale))
    sources = {
        "c-float32": generate_float(program, "net"),
        "c-int8": generate(integers, "net"),
        "c-int8-host": generate_host(integers, "net"),
    }
    for kind, source in sources.items():
        folder = place / kind
        folder.mkdir()
        (folder / "net.h").write_text(source.header)
        (folder / "net.c").write_text(source.source)
        for number in range(threads):
            library = place / f"{kind}-{number}.so"
            pixels, classes = program.input_shape.elements, program.classes
            compile_library(folder, "net", source.logit_type, pixels, classes, library)


def show(rows: list[Row]) -> None:
    """Print one table a net and number of threads."""
    first = rows[0]
    title = f"{first.label}, {first.threads} thread(s), {first.rounds} rounds, {first.device}"
    table = Table(title=title, title_justify="left")
    for name in ("contender", "version", "batch 1, µs an image", "quartiles", "ours = 1"):
        table.add_column(name)
    for name in ("best batch, µs an image", "batch", "ours = 1", "difference"):
        table.add_column(name)
    best_of_ours = fastest([row for row in rows if row.contender == OURS])
    for contender in dict.fromkeys(row.contender for row in rows):
        own = [row for row in rows if row.contender == contender]
        best, one = fastest(own), own[0]
        if best is None or one.us_per_image is None:
            table.add_row(contender, one.version, one.error)
            continue
        ratio = "" if best_of_ours is None else _ratio(best, best_of_ours)
        table.add_row(
            contender,
            one.version,
            f"{one.us_per_image:.1f}",
            f"{one.low:.1f} to {one.high:.1f}",
            "" if one.times_ours is None else f"{one.times_ours:.2f}",
            f"{best.us_per_image:.1f}",
            str(best.batch),
            ratio,
            "" if one.difference is None else f"{one.difference:.1e}",
        )
    Console(width=170).print(table)


def fastest(rows: list[Row]) -> Row | None:
    """Return the row with the least time an image, if any ran."""
    ran = [row for row in rows if row.us_per_image is not None]
    return min(ran, key=lambda row: row.us_per_image or 0, default=None)


def _ratio(row: Row, ours: Row) -> str:
    assert row.us_per_image is not None
    assert ours.us_per_image is not None
    return f"{row.us_per_image / ours.us_per_image:.2f}"


def exported_to_onnx(net: nn.Module, images: Tensor) -> bytes:
    """Return the net as ONNX, from float32 images of any number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            net,
            (images[:2],),
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("n")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    assert program is not None
    return program.model_proto.SerializeToString()


if __name__ == "__main__":
    typer.run(main)
