"""From a run folder to an artefact with its proof, or to nothing at all."""

import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from smidgen.checkpoint import write_atomically
from smidgen.data import load
from smidgen.evaluate.cost import BATCH_SIZES, seconds_of
from smidgen.export.finish import NOTEWORTHY
from smidgen.export.parity import ParityError, ToolMissingError
from smidgen.export.program import Pixels
from smidgen.export.targets import Artefact, Source, Wish, pixels_of, source_of, target_of
from smidgen.export.wasm import Facts, frame_of, page
from smidgen.run import load_run
from smidgen.runtime import processor, versions

PROOF = "artefact.json"
_BATCH = 256
_AS_USUAL = Wish()


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds an image, of one number of threads and batch size."""

    threads: int
    batch: int
    us_per_image: float


@dataclass(frozen=True, slots=True)
class Proof:
    """What was measured of an artefact, and on what.

    Args:
        target: ``onnx``, ``onnx-int8``, ``c`` or ``wasm``.
        numbers: ``float32`` or ``int8``.
        calibration: How the ranges of int8 were found.
        finishing_epochs: Of quantisation-aware finishing; 0 is none.
        held_out_loss: Of accuracy against the float program on training images held out of
            finishing, before it; ``None`` if nobody looked.
        held_out_loss_after: Likewise, after it.
        artefact: Name of the artefact among the files.
        bytes: Of it.
        sha256: Of it.
        files: Bytes and sha256 of every file.
        net: Name of the net.
        training_key: Of the run.
        params: As trained.
        macs: An image.
        classes: Names, in the order of the logits.
        data: Name of the data set.
        fingerprint: Of its content.
        split: Of the images below: always ``test``.
        images: How many.
        accuracy: Of the artefact, in [0, 1].
        float_accuracy: Of the trained model, in [0, 1].
        agreement: Share of images to which both give the same class.
        largest_difference: Between their logits.
        oracle: What the artefact was held against.
        oracle_images: On how many images.
        oracle_difference: The largest difference of logits there; 0 is bit for bit.
        oracle_tolerance: What was allowed.
        flash: Bytes of code and constants, where the target has such a thing.
        ram: Bytes of memory that is written to, likewise.
        latency: Times, in ``runtime`` on ``device``.
        runtime: What ran the artefact.
        device: The processor.
        versions: Of the software.
    """

    target: str
    numbers: str
    calibration: str | None
    finishing_epochs: int
    held_out_loss: float | None
    held_out_loss_after: float | None
    artefact: str
    bytes: int
    sha256: str
    files: Mapping[str, Mapping[str, Any]]
    net: str
    training_key: str
    params: int
    macs: int
    classes: tuple[str, ...]
    data: str
    fingerprint: str
    split: str
    images: int
    accuracy: float
    float_accuracy: float
    agreement: float
    largest_difference: float
    oracle: str
    oracle_images: int
    oracle_difference: float
    oracle_tolerance: float
    flash: int | None
    ram: int | None
    latency: tuple[Timing, ...]
    runtime: str
    device: str
    versions: Mapping[str, str]


def export(
    run_folder: Path | str,
    target: str,
    out: Path | str,
    *,
    wish: Wish = _AS_USUAL,
    data_dir: Path | str | None = None,
    max_flash: int | None = None,
    max_ram: int | None = None,
) -> Proof:
    """Write the artefact of a finished run to ``out``, with its proof in ``artefact.json``.

    Args:
        run_folder: Of a finished run.
        target: ``onnx``, ``onnx-int8``, ``c`` or ``wasm``.
        out: A folder that is not there yet, or empty.
        wish: What the target leaves to choose.
        data_dir: Folder of local copies of data sets.
        max_flash: Bytes that code and constants may take.
        max_ram: Bytes of memory that may be written to.

    Raises:
        ValueError: If anything is missing, does not fit, or differs from its oracle; ``out`` is
            then as it was.
    """
    build, out = target_of(target), Path(out)
    _require_free(out)
    source = _source(Path(run_folder), data_dir)
    try:
        artefact = build(source, wish)
        _require_within("flash", artefact.flash, max_flash, target)
        _require_within("RAM", artefact.ram, max_ram, target)
        proof = _written(source, target, artefact, out)
    except (ToolMissingError, ParityError) as error:
        raise ValueError(str(error)) from error
    if (loss := proof.float_accuracy - proof.accuracy) > NOTEWORTHY:
        warnings.warn(f"{target} loses {100 * loss:.2f} points of accuracy", stacklevel=2)
    return proof


def _written(source: Source, target: str, artefact: Artefact, out: Path) -> Proof:
    """Write and prove the artefact beside ``out``, then move it there, or leave nothing."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise ValueError(f"{out.parent}: cannot be written: {error.strerror}") from None
    try:
        for name, content in artefact.files.items():
            write_atomically(folder / name, content)
        proof = _proof(source, target, artefact, folder)
        if target == "wasm":
            html = _page(source, proof, artefact.files[artefact.main], artefact.scale)
            write_atomically(folder / f"{source.stem}.html", html.encode())
            proof = replace(proof, files=_files(folder))
        write_atomically(folder / PROOF, (json.dumps(asdict(proof), indent=1) + "\n").encode())
        folder.chmod(0o755)  # a temporary folder is closed to others
        folder.replace(out)
    except OSError as error:
        raise ValueError(f"{out}: cannot be written: {error.strerror}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return proof


def _source(folder: Path, data_dir: Path | str | None) -> Source:
    run = load_run(folder)
    data = load(run.trial.data, data_dir=data_dir)
    if data.fingerprint != run.trial.fingerprint:
        raise ValueError(
            f"{run.trial.data} is not the data {folder} was trained on: its content changed"
        )
    return source_of(run, data)


def _proof(source: Source, target: str, artefact: Artefact, folder: Path) -> Proof:
    """Run the files in ``folder`` over the test split and hold them against the oracle."""
    run, test = source.run, source.data.test
    pixels, labels = pixels_of(test.images), test.labels.numpy()
    infer = artefact.infer(folder, 1)
    parts = [infer(pixels[i : i + _BATCH]) for i in range(0, len(pixels), _BATCH)]
    logits = np.concatenate(parts)
    difference, allowed = _against_oracle(artefact, pixels, logits)
    expected, found = source.float_infer()(pixels), artefact.scale * logits.astype(np.float64)
    files, finished = _files(folder), artefact.finished
    answers, float_answers = logits.argmax(1), expected.argmax(1)
    return Proof(
        target=target,
        numbers=artefact.numbers,
        calibration=artefact.calibration,
        finishing_epochs=finished.epochs if finished else 0,
        held_out_loss=finished.loss if finished else None,
        held_out_loss_after=finished.loss_after if finished else None,
        artefact=artefact.main,
        **files[artefact.main],
        files=files,
        net=run.trial.net.name,
        training_key=run.trial.key,
        params=run.trial.spec.params,
        macs=run.trial.spec.macs,
        classes=run.classes,
        data=run.trial.data,
        fingerprint=run.trial.fingerprint,
        split="test",
        images=len(labels),
        accuracy=float((answers == labels).mean()),
        float_accuracy=float((float_answers == labels).mean()),
        agreement=float((answers == float_answers).mean()),
        largest_difference=float(np.abs(found - expected).max()),
        oracle=artefact.oracle.what,
        oracle_images=min(len(pixels), artefact.oracle.images),
        oracle_difference=difference,
        oracle_tolerance=allowed,
        flash=artefact.flash,
        ram=artefact.ram,
        latency=_latency(artefact, folder, pixels),
        runtime=artefact.runtime,
        device=processor(),
        versions=versions(),
    )


def _against_oracle(
    artefact: Artefact, pixels: Pixels, logits: NDArray[Any]
) -> tuple[float, float]:
    """Return the largest difference from the oracle and the one allowed.

    Raises:
        ValueError: If the former is the larger.
    """
    oracle = artefact.oracle
    expected = oracle.infer(pixels[: oracle.images]).astype(np.float64)
    found = logits[: oracle.images].astype(np.float64)
    largest = max(1.0, float(np.abs(expected).max()))
    differences = np.abs(found - expected).max(1)
    difference, allowed = float(differences.max()), oracle.tolerance * largest
    if not difference <= allowed:  # so that a NaN is a difference, too
        image = int(np.argmax(np.nan_to_num(differences, nan=np.inf)))
        raise ValueError(
            f"{artefact.main} does not compute what was trained: on test image {image} its logits "
            f"differ by {difference:.3g} from {oracle.what}, allowed is {allowed:.3g}"
        )
    return difference, allowed


def _latency(artefact: Artefact, folder: Path, pixels: Pixels) -> tuple[Timing, ...]:
    """Return, for each number of threads, the time at batch 1 and at the best batch."""
    found: list[Timing] = []
    for threads in artefact.threads:
        infer = artefact.infer(folder, threads)

        def timed(size: int, threads: int = threads, infer: Any = infer) -> Timing:
            part = pixels[:size]
            seconds = seconds_of(lambda: infer(part), torch.device("cpu"))
            return Timing(threads, size, 1e6 * seconds / size)

        many = [timed(size) for size in BATCH_SIZES if size <= len(pixels)]
        found += [timed(1), *sorted(many, key=lambda timing: timing.us_per_image)[:1]]
    return tuple(found)


def _page(source: Source, proof: Proof, module: bytes, scale: float) -> str:
    test = source.data.test
    firsts = [int((test.labels == k).nonzero()[0]) for k in test.labels.unique().tolist()]
    samples = tuple((int(test.labels[i]), pixels_of(test.images[i])) for i in firsts[:_SAMPLES])
    facts = Facts(
        name=proof.net,
        data=proof.data,
        numbers=proof.numbers,
        logit_scale=scale,
        params=proof.params,
        macs=proof.macs,
        accuracy=proof.accuracy,
        images=proof.images,
        classes=proof.classes,
        samples=samples,
        **frame_of(source.data.train.images),
    )
    return page(module, source.program.input_shape, facts)


_SAMPLES = 20  # classes that the page shows an image of


def _require_free(out: Path) -> None:
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ValueError(f"{out} is there and not empty: choose another folder")


def _require_within(what: str, found: int | None, limit: int | None, target: str) -> None:
    if limit is None:
        return
    if found is None:
        figure = "a limit is for c and wasm"
        if target == "c":
            figure = "on Debian: apt-get install gcc-arm-none-eabi qemu-system-arm"
        raise ValueError(f"{what} of {target} is not known here; {figure}")
    if found > limit:
        raise ValueError(
            f"{what} must be <= {limit:,} bytes, got {found:,}: {found - limit:,} over"
        )


def _files(folder: Path) -> dict[str, dict[str, Any]]:
    """Return bytes and sha256 of every file, by name."""
    contents = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
