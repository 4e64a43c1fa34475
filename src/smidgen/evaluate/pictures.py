"""The pictures behind the figures: wrong answers, doubted labels, copies."""

import base64
import hashlib
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any

import torch
from PIL import Image

from smidgen.data import Data, Split
from smidgen.data.parts import held_out
from smidgen.data.shares import learned
from smidgen.split_names import FULL
from smidgen.tensors import Labels, Logits

LISTED = 64  # wrong answers that a row names
SHOWN = 24  # of them, those whose pictures it holds
DOUBTED, DOUBTED_SHOWN = 32, 4  # the same of labels that a run contradicts, of many runs
_SIDE = 48  # pixels of a kept picture, at the most
_COLOURS = 64  # of a kept picture


@dataclass(frozen=True, slots=True)
class WrongAnswer:
    """An image whose label a model contradicts.

    Args:
        image: Its place in its split, from 0.
        label: Class number that the data give.
        answer: Class number that the model gives.
        probability: Of the answer, in [0, 1].
        sure: Whether that is at least what the model gives images that do bear the answer as
            their label, on average.
    """

    image: int
    label: int
    answer: int
    probability: float
    sure: bool


def wrong_answers(logits: Logits, labels: Labels, limit: int = LISTED) -> tuple[WrongAnswer, ...]:
    """Return the wrong answers, the surest first.

    An answer is sure if its probability reaches the mean that the model gives this class on the
    images labelled with it, so that a model which is never sure of anything has its say, too.

    Source: Northcutt et al. 2021, "Confident Learning", arXiv:1911.00068, eq. (2).
    """
    probabilities = logits.double().softmax(1)
    probability, answer = probabilities.max(1)
    wrong = (answer != labels).nonzero().flatten()
    order = wrong[probability[wrong].sort(descending=True, stable=True).indices][:limit]
    bars = [
        float(probabilities[labels == number, number].mean()) if (labels == number).any() else 1.0
        for number in range(logits.shape[1])
    ]
    return tuple(
        WrongAnswer(
            image=place,
            label=int(labels[place]),
            answer=(given := int(answer[place])),
            probability=round(float(probability[place]), 4),
            sure=float(probability[place]) >= bars[given],
        )
        for place in order.tolist()
    )


@dataclass(frozen=True, slots=True)
class Copies:
    """How often the same pixels stand in a data set more than once.

    Args:
        train: Training images that repeat an earlier one.
        test: Test images that repeat an earlier one.
        across: Test images that are training images as well: their answers are no proof.
        labels: Images, of either split, whose copy bears another label.
    """

    train: int
    test: int
    across: int
    labels: int


def copies(train: Split, test: Split) -> Copies:
    """Count the images that are the same to the last pixel."""
    digests = [[_digest(image) for image in split.images] for split in (train, test)]
    labels = [split.labels.tolist() for split in (train, test)]
    seen: dict[bytes, set[int]] = {}
    for digest, label in zip(chain(*digests), chain(*labels), strict=True):
        seen.setdefault(digest, set()).add(label)
    ours, theirs = (set(of) for of in digests)
    return Copies(
        train=len(digests[0]) - len(ours),
        test=len(digests[1]) - len(theirs),
        across=sum(digest in ours for digest in digests[1]),
        labels=sum(len(seen[digest]) > 1 for of in digests for digest in of),
    )


def _digest(image: torch.Tensor) -> bytes:
    return hashlib.blake2b(
        image.permute(1, 2, 0).contiguous().numpy().tobytes(), digest_size=16
    ).digest()


def thumbnail(image: torch.Tensor) -> str:
    """Return a uint8 image (c, h, w) as a PNG of at most 48 pixels a side, in base64.

    One channel is grey, three are colours; of any other number the first is shown.
    """
    channels = image.shape[0]
    pixels = image.permute(1, 2, 0) if channels == 3 else image[0]  # noqa: PLR2004 - red, green, blue
    picture = Image.fromarray(pixels.contiguous().numpy())
    picture.thumbnail((_SIDE, _SIDE), Image.Resampling.BOX)
    picture = picture.quantize(_COLOURS)
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def looked_at(
    data: Data, logits: Logits, split: str = FULL, share: float = 1.0, seed: int = 0
) -> dict[str, Any]:
    """Return the columns that show pictures of a run judged on test images; see docs/rows.md.

    Args:
        data: What it was trained and tested on.
        logits: Of the test images.
        split: What of the training images it was trained on.
        share: Of those, what share it learned from; in (0, 1].
        seed: Of the run.
    """
    labels = learned(data, split, share, seed).labels
    return {
        "examples": torch.bincount(labels, minlength=len(data.classes)).tolist(),
        "copies": asdict(copies(data.train, data.test)),
        **mistaken(data, logits),
    }


def mistaken(data: Data, logits: Logits) -> dict[str, Any]:
    """Return the columns that show wrong answers on test images, of data of any run.

    Args:
        data: What it was tested on.
        logits: Of the test images.
    """
    wrong = wrong_answers(logits, data.test.labels)
    return {"wrong": told(wrong, data.test), "pictures": _shown(data, "test", wrong[:SHOWN])}


def doubted(data: Data, split: str, logits: Logits) -> dict[str, Any]:
    """Return the columns that show whose label a run contradicts, of images held out of it.

    Of images that a net was trained on it learns wrong labels with the right ones: on 1,437 digits
    with 30 wrong labels a net of 1,560 parameters had learned them all after 60 epochs.

    Args:
        data: What the run was trained on.
        split: What it held out.
        logits: Of the images held out.
    """
    name, places = held_out(data, split)
    part = data.parts[name]
    answers = wrong_answers(logits, part.labels[places], limit=len(places))
    found = [replace(of, image=int(places[of.image])) for of in answers if of.sure][:DOUBTED]
    doubts = [{"part": name, **of} for of in told(found, part)]
    return {"doubted": doubts, "pictures": _shown(data, name, found[:DOUBTED_SHOWN])}


def told(answers: Iterable[WrongAnswer], split: Split) -> list[dict[str, Any]]:
    """Return answers as plain values, with the files of their pictures where they are files."""
    return [
        {**asdict(of), **({"file": split.files[of.image]} if split.files else {})} for of in answers
    ]


def _shown(data: Data, part: str, answers: Iterable[WrongAnswer]) -> dict[str, str]:
    images = data.preprocessing.turn(data.parts[part].images)
    return {f"{part}/{of.image}": thumbnail(images[of.image]) for of in answers}
