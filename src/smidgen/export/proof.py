"""The proof of an artefact: run over the test split, and held against its oracle."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import prod
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from smidgen.evaluate.cost import batch_sizes, seconds_of
from smidgen.export.artefact import Artefact, Infer, Source, Witness, largest_of, pixels_of
from smidgen.export.c.boards import Fit
from smidgen.export.program import Pixels, in_parts
from smidgen.kernels.measured import processor
from smidgen.run import digest
from smidgen.runtime import versions

_MADE_UP = 4  # images that tell whether an artefact still answers as it did
_LEAST_AGREEMENT = 0.99  # of clear answers, with the oracle's


@dataclass(frozen=True, slots=True)
class Timing:
    """Microseconds an image, of one number of threads and batch size."""

    threads: int
    batch: int
    us_per_image: float


@dataclass(frozen=True, slots=True)
class Testimony:
    """What something else made of the same files.

    Args:
        what: Who ran them.
        images: Of the test split: all.
        accuracy: In [0, 1].
        same_answer: Share of images to which it gives the artefact's class.
        same_logits: Share of logits that are what they should be, to the bit.
        compared: On how many images.
        held_against: What they should be: the oracle, or the artefact's own.
    """

    what: str
    images: int
    accuracy: float
    same_answer: float
    same_logits: float
    compared: int
    held_against: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was measured of an artefact, and on what.

    Args:
        target: Its name.
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
        training_digest: Of its weights, which training again may find others of.
        params: As trained.
        macs: An image.
        classes: Names, in the order of the logits.
        logit_scale: What 1 stands for in the logits of what ran the artefact.
        preprocessing: What a picture goes through on its way to the net.
        data: Name of the data set.
        fingerprint: Of its content.
        split: Of the images below: always ``test``.
        images: How many.
        accuracy: Of the artefact, in [0, 1]; ``None``, as what else needs it to run, where it
            could not.
        float_accuracy: Of the trained model, in [0, 1].
        agreement: Share of images to which both give the same class.
        lost: Images that the trained model alone gets right.
        gained: Likewise, the artefact.
        largest_difference: Between their logits.
        oracle: What the artefact was held against.
        oracle_images: On how many images.
        oracle_difference: The largest difference of logits there; 0 is bit for bit.
        oracle_tolerance: What was allowed.
        witnesses: What else ran the files.
        flash: Bytes of code and constants, where the target has such a thing.
        ram: Bytes of memory that is written to, likewise; its stack is among them.
        stack: Bytes at the deepest on an emulated Cortex-M4, where C ran on one.
        instructions: An image there, to within 40.
        logit_bytes: Of memory for the logits of C, the caller's, beside ``ram``; ``None`` of no C.
        name_bytes: Of flash for the table of class names, beside ``flash``, where a program calls
            for names; likewise.
        board: How much of the board that was asked for it takes, and how long an image, as
            :class:`smidgen.export.c.boards.Fit`; ``None`` if none was.
        rerun: What tells whether it still answers so: the ``shape`` of images that
            :func:`made_up` makes, its ``logits`` of them (the oracle's, where it could not run),
            and the ``tolerance``, a share of the largest.
        latency: Times, in ``runtime`` on ``device``.
        runtime: What ran the artefact.
        device: The processor.
        versions: Of the software.
        sure: What was asked of its answers, if anything: ``wanted``, the ``margin`` of its logits,
            how many held-out ``images`` chose it, were ``answered`` and ``right``, on how many C
            and Python were ``compared``, and the same counts of ``test`` images.
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
    training_digest: str
    params: int
    macs: int
    classes: tuple[str, ...]
    logit_scale: float
    preprocessing: Mapping[str, Any]
    data: str
    fingerprint: str
    split: str
    images: int
    accuracy: float | None
    float_accuracy: float
    agreement: float | None
    lost: int | None
    gained: int | None
    largest_difference: float | None
    oracle: str
    oracle_images: int
    oracle_difference: float | None
    oracle_tolerance: float | None
    witnesses: tuple[Testimony, ...]
    flash: int | None
    ram: int | None
    stack: int | None
    instructions: int | None
    logit_bytes: int | None
    name_bytes: int | None
    board: Fit | None
    rerun: Mapping[str, Any]
    latency: tuple[Timing, ...]
    runtime: str
    device: str
    versions: Mapping[str, str]
    sure: Mapping[str, Any] | None = None


class _Measured(NamedTuple):
    """What an artefact answered, in the words of :class:`Proof`."""

    rerun: Mapping[str, Any]
    accuracy: float | None = None
    agreement: float | None = None
    lost: int | None = None
    gained: int | None = None
    largest_difference: float | None = None
    oracle_images: int = 0
    oracle_difference: float | None = None
    oracle_tolerance: float | None = None
    witnesses: tuple[Testimony, ...] = ()
    latency: tuple[Timing, ...] = ()


def proved(
    source: Source, target: str, artefact: Artefact, folder: Path
) -> tuple[Proof, NDArray[Any] | None]:
    """Run the files in ``folder`` over the test split and hold them against the oracle.

    Returns:
        The proof, and the logits of the test split if the artefact could run.
    """
    run, test = source.run, source.data.test
    pixels, labels = pixels_of(test.images), test.labels.numpy()
    expected = source.float_infer()(pixels)
    if artefact.infer is None:
        measured, logits = _Measured(_rerun(artefact, artefact.oracle.infer, pixels)), None
    else:
        measured, logits = _measured(artefact, artefact.infer, folder, pixels, labels, expected)
    files, finished = files_of(folder), artefact.finished
    proof = Proof(
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
        training_digest=digest(run),
        params=run.trial.spec.params,
        macs=run.trial.spec.macs,
        classes=run.classes,
        logit_scale=artefact.scale,
        preprocessing=run.preprocessing.to_dict(),
        data=run.trial.data,
        fingerprint=run.trial.fingerprint,
        split="test",
        images=len(labels),
        float_accuracy=float((expected.argmax(1) == labels).mean()),
        oracle=artefact.oracle.what,
        flash=artefact.flash,
        ram=artefact.ram,
        stack=artefact.stack,
        instructions=artefact.instructions,
        logit_bytes=artefact.logit_bytes,
        name_bytes=artefact.name_bytes,
        board=artefact.fit,
        runtime=artefact.runtime,
        device=processor(),
        versions=versions(),
        sure=_sure(artefact, folder, logits, labels),
        **measured._asdict(),
    )
    return proof, logits


def _measured(
    artefact: Artefact,
    start: Callable[[Path, int], Infer],
    folder: Path,
    pixels: Pixels,
    labels: NDArray[Any],
    expected: NDArray[Any],
) -> tuple[_Measured, NDArray[Any]]:
    infer = start(folder, 1)
    logits = _over(infer, pixels)
    difference, allowed = _against_oracle(artefact, pixels, logits)
    found, answers = artefact.scale * logits.astype(np.float64), logits.argmax(1)
    right, of_model = answers == labels, expected.argmax(1) == labels
    measured = _Measured(
        rerun=_rerun(artefact, infer, pixels),
        accuracy=float(right.mean()),
        agreement=float((answers == expected.argmax(1)).mean()),
        lost=int((of_model & ~right).sum()),
        gained=int((right & ~of_model).sum()),
        largest_difference=float(np.abs(found - expected).max()),
        oracle_images=min(len(pixels), artefact.oracle.images),
        oracle_difference=difference,
        oracle_tolerance=allowed,
        witnesses=tuple(
            _heard(witness, artefact, folder, pixels, labels, logits)
            for witness in artefact.witnesses
        ),
        latency=_latency(artefact, artefact.timed or start, folder, pixels),
    )
    return measured, logits


def _sure(
    artefact: Artefact, folder: Path, logits: NDArray[Any] | None, labels: NDArray[Any]
) -> dict[str, Any] | None:
    """Return what is known of the threshold of an artefact, if it has one.

    Raises:
        ValueError: If its answers to held-out images are not those of Python.
    """
    own = artefact.sure
    if own is None:
        return None
    known: dict[str, Any] = {**asdict(own.line), "compared": 0, "test": None}
    if own.infer is not None:
        differ = int((own.infer(folder)(own.pixels) != own.answers).sum())
        if differ:
            raise ValueError(
                f"{artefact.main} answers {differ:,} of {len(own.answers):,} held-out images"
                " otherwise than Python, where it must be sure; please report it with the net"
            )
        known["compared"] = len(own.answers)
    if logits is not None:
        known["test"] = own.line.judged(logits, labels)
    return known


def made_up(shape: Sequence[int]) -> Pixels:
    """Return a few images of noise (n, c, h, w), the same everywhere, of no data set."""
    size = _MADE_UP * prod(shape)
    noise = hashlib.shake_256(b"smidgen").digest(size)
    return np.frombuffer(noise, np.uint8).reshape(_MADE_UP, *shape).copy()


def _rerun(artefact: Artefact, infer: Infer, pixels: Pixels) -> dict[str, Any]:
    shape = list(pixels.shape[1:])
    logits = infer(made_up(shape)).tolist()
    return {"shape": shape, "logits": logits, "tolerance": artefact.oracle.tolerance}


def _over(infer: Infer, pixels: Pixels) -> NDArray[Any]:
    return np.concatenate([infer(part) for part in in_parts(pixels)])


def _heard(
    witness: Witness,
    artefact: Artefact,
    folder: Path,
    pixels: Pixels,
    labels: NDArray[Any],
    logits: NDArray[Any],
) -> Testimony:
    """Return what a witness makes of the test split, whose ``logits`` are the artefact's.

    Raises:
        ValueError: If that is something else than what it must make of it.
    """
    found, expected, against = _over(witness.infer(folder, 1), pixels), logits, artefact.main
    if witness.expected is not None:
        expected = witness.expected(pixels[: artefact.oracle.images])
        against = artefact.oracle.what
    if witness.tolerance is not None:
        _within(
            f"{artefact.main} in {witness.what}",
            found[: len(expected)],
            expected,
            against,
            witness.tolerance,
        )
    return Testimony(
        what=witness.what,
        images=len(pixels),
        accuracy=float((found.argmax(1) == labels).mean()),
        same_answer=float((found.argmax(1) == logits.argmax(1)).mean()),
        same_logits=float((found[: len(expected)] == expected).mean()),
        compared=len(expected),
        held_against=against,
    )


def _against_oracle(
    artefact: Artefact, pixels: Pixels, logits: NDArray[Any]
) -> tuple[float, float]:
    """Return the largest difference from the oracle and the one allowed.

    Raises:
        ValueError: If the former is the larger, or too many answers are others.
    """
    oracle = artefact.oracle
    expected, found = oracle.infer(pixels[: oracle.images]), logits[: oracle.images]
    apart = _within(artefact.main, found, expected, oracle.what, oracle.tolerance)
    same = _clear_agreement(found, expected, oracle.tolerance)
    if same < _LEAST_AGREEMENT:
        raise ValueError(
            f"{artefact.main} does not answer as was trained: it gives the class of {oracle.what}"
            f" to {100 * same:.2f} % of {len(expected):,} test images, near ties counted as the"
            f" same, and must to {100 * _LEAST_AGREEMENT:.0f} %; please report it with the net"
        )
    return apart


def _within(
    what: str, found: NDArray[Any], expected: NDArray[Any], against: str, tolerance: float
) -> tuple[float, float]:
    """Return the largest difference of logits and the one allowed.

    Raises:
        ValueError: If the former is the larger.
    """
    differences = np.abs(found.astype(np.float64) - expected).max(1)
    difference, allowed = float(differences.max()), tolerance * largest_of(expected)
    if not difference <= allowed:  # so that a NaN is a difference, too
        image = int(np.argmax(np.nan_to_num(differences, nan=np.inf)))
        raise ValueError(
            f"{what} does not compute what was trained: on test image {image} its logits"
            f" differ by {difference:.3g} from {against}, allowed is {allowed:.3g}"
        )
    return difference, allowed


def _clear_agreement(found: NDArray[Any], expected: NDArray[Any], tolerance: float) -> float:
    """Return the share of images that get the class expected, or one that is as good.

    As good is what two logits of that image, each off by the tolerance, could bring: the bound on
    differences is of the largest logit of all images, and blind where others have small ones.
    """
    rows, expected = np.arange(len(expected)), expected.astype(np.float64)
    lead = expected.max(1) - expected[rows, found.argmax(1)]
    return float((lead <= 2 * tolerance * np.abs(expected).max(1)).mean())


def _latency(
    artefact: Artefact, start: Callable[[Path, int], Infer], folder: Path, pixels: Pixels
) -> tuple[Timing, ...]:
    """Return, for each number of threads, the time at batch 1 and at the best batch."""
    found: list[Timing] = []
    for threads in artefact.threads:
        infer = start(folder, threads)

        def timed(size: int, threads: int = threads, infer: Any = infer) -> Timing:
            part = pixels[:size]
            seconds = seconds_of(lambda: infer(part), torch.device("cpu"))
            return Timing(threads, size, 1e6 * seconds / size)

        many = map(timed, batch_sizes(pixels.shape))
        found += [timed(1), *sorted(many, key=lambda timing: timing.us_per_image)[:1]]
    return tuple(found)


def files_of(folder: Path) -> dict[str, dict[str, Any]]:
    """Return bytes and sha256 of every file, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
