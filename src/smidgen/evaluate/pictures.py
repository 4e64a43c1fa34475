"""The pictures behind the figures: wrong answers, doubted labels, copies."""

import base64
import hashlib
import io
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any

import torch
from PIL import Image

from smidgen.data import Data, Split
from smidgen.evaluate.accuracy import predict
from smidgen.run import Run
from smidgen.tensors import Labels, Logits

LISTED = 64  # wrong answers that a row names
SHOWN = 24  # of them, those whose pictures it holds
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


def looked_at(run: Run, data: Data, logits: Logits) -> dict[str, Any]:
    """Return the columns of a row that show pictures; see docs/rows.md.

    Args:
        run: Trained on all training images.
        data: What it was trained and tested on.
        logits: Of the test images.
    """
    wrong = wrong_answers(logits, data.test.labels)
    of_train = predict(run.model, data.train.images, run.mean, run.std)
    doubted = tuple(of for of in wrong_answers(of_train, data.train.labels) if of.sure)
    counts = torch.bincount(data.train.labels, minlength=len(data.classes))
    return {
        "examples": counts.tolist(),
        "copies": asdict(copies(data.train, data.test)),
        "wrong": named(wrong, data.test),
        "doubted": named(doubted, data.train),
        "pictures": {
            **_pictures("test", data.test, wrong),
            **_pictures("train", data.train, doubted),
        },
    }


def named(answers: Iterable[WrongAnswer], split: Split) -> list[dict[str, Any]]:
    """Return answers as plain values, with the files of their pictures where they are files."""
    return [
        {**asdict(of), **({"file": split.files[of.image]} if split.files else {})} for of in answers
    ]


def _pictures(name: str, split: Split, answers: Iterable[WrongAnswer]) -> dict[str, str]:
    shown = [of.image for of in answers][:SHOWN]
    return {f"{name}/{place}": thumbnail(split.images[place]) for place in shown}
