"""What is exported, what a target makes of it, and what that is held against."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import nn

from smidgen.data import Data
from smidgen.data.parts import held_out, parts
from smidgen.evaluate import predict
from smidgen.export.c.boards import Fit
from smidgen.export.c.names import identifier_of
from smidgen.export.fold import fold
from smidgen.export.int8.finish import Finished, Images
from smidgen.export.program import Pixels, Program
from smidgen.methods import in_order
from smidgen.names import require_kind, shown
from smidgen.run import Run
from smidgen.run_folder import unplaced
from smidgen.sizes import share_of
from smidgen.split_names import SELECTION, fold_name
from smidgen.sure import Sure
from smidgen.text import to_text

Infer: TypeAlias = Callable[[Pixels], NDArray[Any]]  # uint8 images (n, c, h, w) to logits
_CALIBRATION_IMAGES = 512
EXCHANGED = ", rows and columns of the picture exchanged"  # of what a net takes, in its card


@dataclass(frozen=True, slots=True)
class Oracle:
    """An independent computation of the same logits.

    Args:
        what: Its name, for people.
        infer: Logits on the artefact's scale.
        images: Of the test split, at most, since an oracle may be slow.
        tolerance: Difference allowed, as a share of the largest logit; 0 is bit for bit.
    """

    what: str
    infer: Infer
    images: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class Witness:
    """Something else that runs the files, over the whole test split.

    Args:
        what: Its name, for people.
        infer: As an artefact's.
        expected: Logits that it should give, as far as the oracle goes; ``None`` if those are the
            artefact's own.
        tolerance: As an oracle's, of what it may give instead; ``None`` where it may round
            otherwise, and what it gives is only told.
    """

    what: str
    infer: Callable[[Path, int], Infer]
    expected: Infer | None
    tolerance: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class SureInC:
    """From which margin on integer C answers, and what is to be answered for held-out images.

    Args:
        line: The threshold.
        pixels: Of the images that chose it.
        answers: Classes of these, -1 where it is not sure.
        infer: Returns what answers images by the C of a folder; ``None`` without a compiler.
    """

    line: Sure
    pixels: Pixels
    answers: NDArray[np.integer[Any]]
    infer: Callable[[Path], Infer] | None = None


@dataclass(frozen=True, slots=True)
class Artefact:
    """What one target needs to be written, run and doubted.

    Args:
        files: Contents by name; the first is the artefact itself.
        infer: Returns what runs the files of a folder with a number of threads; ``None`` where
            what that needs is not there.
        runtime: What that is.
        threads: Numbers of threads it can use.
        scale: What 1 in its logits stands for.
        oracle: What it is held against.
        numbers: ``float32`` or ``int8``.
        calibration: How its ranges were found; ``None`` for floats.
        finished: What finishing did for it; ``None`` where there is no such thing.
        flash: Bytes of code and constants on a microcontroller or in a module.
        ram: Bytes of memory it writes to, where that is known; its stack is among them.
        stack: Bytes at the deepest on an emulated microcontroller, where it ran on one.
        instructions: An image, likewise.
        logit_bytes: Of memory that C writes its logits to, the caller's; ``None`` of no C.
        name_bytes: Of flash that the table of class names takes where it is called for, likewise.
        fit: How much of the board that was asked for it takes; ``None`` if none was.
        witnesses: What else runs the files.
        timed: What is timed, if not what runs them.
        sure: From which margin on it answers, if that was asked for.
        quoted: Returns the files that tell of the proof, given its fields; they compute the same.
    """

    files: Mapping[str, bytes]
    infer: Callable[[Path, int], Infer] | None
    runtime: str
    threads: tuple[int, ...]
    scale: float
    oracle: Oracle
    numbers: str
    calibration: str | None = None
    finished: Finished | None = None
    flash: int | None = None
    ram: int | None = None
    stack: int | None = None
    instructions: int | None = None
    logit_bytes: int | None = None
    name_bytes: int | None = None
    fit: Fit | None = None
    witnesses: tuple[Witness, ...] = ()
    timed: Callable[[Path, int], Infer] | None = None
    sure: SureInC | None = None
    quoted: Callable[[Mapping[str, Any]], Mapping[str, bytes]] | None = None

    @property
    def main(self) -> str:
        """Name of the artefact itself among its files."""
        return next(iter(self.files))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person may ask of a target; ``None`` leaves it to the target.

    Args:
        calibration: How the ranges of int8 are found.
        numbers: ``float32`` or ``int8``.
        finish_epochs: Of quantisation-aware finishing, should int8 call for it; 0 never finishes.
        tell: Is told of what takes long.
        input: Numbers that a file takes: ``uint8``, ``int8`` or ``float32``.
        name: Of the files and of the C function; ``None`` names them after the net.
        optimize: What int8 C is written for: ``speed`` or ``flash`` of a microcontroller, see
            ``generate`` of :mod:`smidgen.export.c.int8`, or ``host``, see
            :mod:`smidgen.export.c.host_int8`.
        sure: Share of the answers of int8 C that is to be right, as ``0.99`` or ``"99%"``; of the
            others it says that it is not sure, see :func:`smidgen.sure.sure`.
        sure_on: Labelled images to choose that on, instead of those held out of training.

    Raises:
        ValueError: If the name, the epochs, ``tell`` or the share is of another kind.
    """

    calibration: str | None = None
    numbers: str | None = None
    finish_epochs: int | None = None
    tell: Callable[[str], None] = lambda line: None
    input: str | None = None
    name: str | None = None
    optimize: str | None = None
    sure: float | str | None = None
    sure_on: Data | Path | str | None = None

    def __post_init__(self) -> None:
        if self.sure is not None:
            share_of(self.sure, "sure")
        if self.name is not None:
            require_kind(self.name, str, "the name of an artefact", "as in 'my_net'")
        if not (self.finish_epochs is None or type(self.finish_epochs) is int):
            raise ValueError(
                f"epochs of finishing must be a whole number >= 0, got {shown(self.finish_epochs)}"
            )
        if not callable(self.tell):
            raise ValueError(f"tell must be a function of a line, got {shown(self.tell)}")


@dataclass(frozen=True, slots=True)
class Source:
    """What is exported: a run, its data, and the folded program of its model."""

    run: Run
    data: Data
    program: Program
    name: str | None = None

    @property
    def stem(self) -> str:
        """Name of the files, and of the C function: lower case, digits and underscores."""
        return self.name or identifier_of(self.run.trial.net.name)

    @property
    def calibration_images(self) -> Pixels:
        """Training images: of as many equal parts of the split one each, at any place in it.

        Data may be sorted by class, or their classes may take turns.
        """
        count = len(self.data.train)
        kept = min(count, _CALIBRATION_IMAGES)
        begins = np.arange(kept) * count // kept
        sizes = np.diff(begins, append=count)
        places = begins + np.random.default_rng(0).integers(sizes)
        return np.stack([pixels_of(self.data.train.images[place]) for place in places.tolist()])

    @property
    def finishing_images(self) -> Images | None:
        """Training images to finish with, and others to see whether that is needed.

        Of a class with a single image none is held out; there are none where that is so of all.
        """
        split = SELECTION
        if self.data.validation is None and 1 in self.data.train.labels.bincount().tolist():
            split = fold_name(1, 10)
            if not len(held_out(self.data, split)[1]):
                return None
        learning, others = parts(self.data, split)
        assert others is not None
        return Images(pixels_of(learning.images), pixels_of(others.images), others.labels.numpy())

    def card(self) -> dict[str, str]:
        """Return the model card: what a user of the bare file must know."""
        trial, spec = self.run.trial, self.run.trial.spec
        normalised = f"(pixel / 255 - {list(self.run.mean)}) / {list(self.run.std)} a channel"
        return {
            "net": trial.net.name,
            "input": f"uint8 (n, {', '.join(map(str, spec.input_shape))}), 0 to 255"
            f"{EXCHANGED if self.run.preprocessing.turned else ''}",
            "normalisation": f"inside: {normalised}",
            "output": "logits (n, classes); softmax gives probabilities",
            "classes": json.dumps(self.run.classes),
            "preprocessing": json.dumps(self.run.preprocessing.to_dict()),
            "pictures": self.run.preprocessing.text,
            "params": str(spec.params),
            "macs": str(spec.macs),
            "methods": ", ".join(to_text(unplaced(one)) for one in in_order(trial.methods)),
            "data": f"{trial.data} {trial.fingerprint}",
            "training_key": trial.key,
            "made_by": f"smidgen {self.run.versions.get('smidgen', 'of an unknown version')}",
        }

    def float_infer(self) -> Infer:
        """Return the trained model itself, in torch."""
        import torch

        def infer(pixels: Pixels) -> NDArray[Any]:
            images = torch.from_numpy(pixels)
            return predict(self.run.model, images, self.run.mean, self.run.std).numpy()

        return infer


def source_of(run: Run, data: Data, name: str | None = None) -> Source:
    """Return a run made ready for export, by another name if there is one.

    Raises:
        ValueError: If a layer has no deployable form; it is named.
    """
    assert isinstance(run.model, nn.Sequential)
    return Source(run, data, fold(run.trial.spec, run.model, run.mean, run.std), name)


def pixels_of(images: Any) -> Pixels:
    """Return a uint8 tensor as an array in the order n, c, h, w."""
    return np.ascontiguousarray(images.numpy())


def require_floats(what: str, wish: Wish) -> None:
    """Refuse a wish that only integers could fulfil."""
    require(wish.calibration is None, f"{what} and takes no calibration")
    require(not wish.finish_epochs, f"{what} and needs no finishing")


def largest_of(logits: NDArray[Any]) -> float:
    """Return the size of the largest logit, which differences are a share of; never 0."""
    return max(float(np.abs(logits.astype(np.float64)).max()), float(np.finfo(np.float32).tiny))


def require(holds: bool, message: str) -> None:
    """Raise ``ValueError(message)`` unless it holds."""
    if not holds:
        raise ValueError(message)


def require_plain(files: Iterable[str]) -> None:
    """Refuse names of files that do not lie below the artefact's folder, or are not portable.

    Raises:
        ValueError: Naming the first.
    """
    seen: dict[str, str] = {}
    for name in files:
        parts = name.split("/")
        plain = all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*|\.[a-z]+", part) for part in parts)
        require(plain, f"a file must have a plain path below the folder, got {shown(name)}")
        other = seen.setdefault(name.lower(), name)
        require(other == name, f"two files differ by capitals alone: {other!r} and {name!r}")
