"""The card: what is left of a net's accuracy, and of its confidence, on pictures gone wrong."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import fmean
from typing import TypeAlias

import torch

from smidgen.data import Split, splits
from smidgen.data.parts import folds_of
from smidgen.evaluate.accuracy import accuracy
from smidgen.evaluate.calibration import ece, nll
from smidgen.robust.confidence import (
    Bin,
    Threshold,
    chosen,
    confidences,
    kept_by,
    pooled,
    reliability,
    selective,
    told_apart,
)
from smidgen.robust.corruptions import corruptions_for
from smidgen.robust.seen import changes_for
from smidgen.robust.strangers import strangers
from smidgen.tensors import Logits, Pixels

Answers: TypeAlias = Callable[[Pixels], Logits]
Progress: TypeAlias = Callable[[str, int, int], None]  # what is judged, which, of how many
CERTAIN = 0.9  # a confidence that most would trust, whatever the threshold
_BATCH = 100  # pictures at a time


@dataclass(frozen=True, slots=True)
class Level:
    """A corruption at one severity.

    Args:
        severity: From 1.
        accuracy: In [0, 1].
        nll: Mean negative log-likelihood, nats.
        ece: Expected calibration error, in [0, 1].
        change: Mean distance of a pixel from the clean one, 0 to 255.
    """

    severity: int
    accuracy: float
    nll: float
    ece: float
    change: float


@dataclass(frozen=True, slots=True)
class Corrupted:
    """A corruption at its published severities, and the mean accuracy over them."""

    name: str
    accuracy: float
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """The pictures as another hand or camera gives them, or windows as another wearer does.

    See :mod:`smidgen.robust.camera` and :mod:`smidgen.robust.windows`.

    Args:
        kind: Of the change.
        amount: In ``unit``.
        unit: Of it.
        accuracy: In [0, 1].
        consistency: Share of answers that are those to the unchanged picture.
    """

    kind: str
    amount: float
    unit: str
    accuracy: float
    consistency: float


@dataclass(frozen=True, slots=True)
class Stranger:
    """Pictures that show none of the classes.

    Args:
        name: Of their kind.
        images: How many.
        confidence: Mean of the answers'.
        told_apart: How often an own picture is answered more surely than one of these, 0 to 1.
        certain: Share answered with a confidence of 0.9 and more.
        answered: Share that the threshold lets pass; ``None`` without one.
    """

    name: str
    images: int
    confidence: float
    told_apart: float
    certain: float
    answered: float | None


@dataclass(frozen=True, slots=True)
class Aside:
    """Images for a threshold, none of which the net was trained on.

    Args:
        chooses: On which it is chosen.
        judges: On which it is judged, all others; ``None`` are those that the card is of.
    """

    chooses: Split
    judges: Split | None = None


@dataclass(frozen=True, slots=True)
class RobustCard:
    """What is measured of one net in one kind of numbers.

    Args:
        numbers: ``float32`` or ``int8``.
        images: How many.
        seed: Of all draws.
        clean: Accuracy on the pictures as they are.
        accuracy: Mean over the corruptions, each the mean over its severities.
        relative: That by the clean one.
        nll: Clean; nats.
        ece: Clean; 15 bins.
        corrupted_nll: Mean over corruptions and severities.
        corrupted_ece: Likewise.
        corruptions: One by one.
        seen: Shifts, rotations, sizes, light, contrast and focus; of windows shifts, tempo, gain,
            offset and smoothing.
        reliability: Clean answers by confidence.
        corrupted_reliability: Corrupted ones.
        selective: Share of answers kept, the surest, with their accuracy.
        threshold: Chosen on held-out images and judged on others; ``None`` where there are too
            few of them, or none was found.
        no_threshold: Why there is none.
        strangers: Pictures of no class.
    """

    numbers: str
    images: int
    seed: int
    clean: float
    accuracy: float
    relative: float
    nll: float
    ece: float
    corrupted_nll: float
    corrupted_ece: float
    corruptions: tuple[Corrupted, ...]
    seen: tuple[Seen, ...]
    reliability: tuple[Bin, ...]
    corrupted_reliability: tuple[Bin, ...]
    selective: tuple[tuple[float, float], ...]
    threshold: Threshold | None
    no_threshold: str
    strangers: tuple[Stranger, ...]


def robust_card(
    answers: Answers,
    images: Split,
    *,
    aside: Aside | None = None,
    others: Mapping[str, Pixels] | None = None,
    wanted: float | None = None,
    numbers: str = "float32",
    seed: int = 0,
    progress: Progress = lambda what, place, of: None,
) -> RobustCard:
    """Return the card of whatever answers pictures with logits.

    Args:
        answers: Of bytes (n, c, h, w).
        images: To judge on.
        aside: Images to choose the threshold on, and to judge it on.
        others: Pictures of none of the classes, by name, beside those that are drawn.
        wanted: Accuracy of the answers above the threshold; half of the errors by default.
        numbers: That it computes in.
        seed: Of all draws.
        progress: Told what is judged.

    Raises:
        ValueError: If a corruption is not defined for these pictures, ``wanted`` is out of range,
            or no threshold reaches it and it was asked for.
    """
    pixels, labels = images.images.contiguous(), images.labels
    channels, height, width = pixels.shape[1:]
    found = corruptions_for(channels, height, width)
    ways, whole = changes_for(height, width), sum(len(one.published) for one in found)
    steps = whole + len(ways)
    logits = answers(pixels)
    threshold, reason = _threshold(answers, aside, wanted, (logits, labels))
    corruptions: list[Corrupted] = []
    bins: list[tuple[Bin, ...]] = []
    step = 0
    for one in found:
        levels: list[Level] = []
        for severity in one.published:
            progress(one.name, step, steps)
            step += 1
            spoilt = one.apply(pixels, severity, seed)
            said = answers(spoilt)
            bins.append(reliability(said, labels))
            figures = accuracy(said, labels), nll(said, labels), ece(said, labels)
            levels.append(Level(severity, *figures, _distance(spoilt, pixels)))
        corruptions.append(Corrupted(one.name, fmean(of.accuracy for of in levels), tuple(levels)))
    seen: list[Seen] = []
    for kind, amount, unit, apply in ways:
        progress(kind, step, steps)
        step += 1
        seen.append(Seen(kind, amount, unit, *_kept(answers, apply(pixels), logits, labels)))
    clean, mean = accuracy(logits, labels), fmean(one.accuracy for one in corruptions)
    every = [level for one in corruptions for level in one.levels]
    line = None if threshold is None else threshold.confidence
    return RobustCard(
        numbers=numbers,
        images=len(labels),
        seed=seed,
        clean=clean,
        accuracy=mean,
        relative=mean / clean if clean else 0.0,
        nll=nll(logits, labels),
        ece=ece(logits, labels),
        corrupted_nll=fmean(one.nll for one in every),
        corrupted_ece=fmean(one.ece for one in every),
        corruptions=tuple(corruptions),
        seen=tuple(seen),
        reliability=reliability(logits, labels),
        corrupted_reliability=pooled(bins),
        selective=selective(logits, labels),
        threshold=threshold,
        no_threshold=reason,
        strangers=tuple(
            _stranger(name, confidences(answers(given)), confidences(logits), line)
            for name, given in {
                **strangers(channels, height, width, seed),
                **(others or {}),
            }.items()
        ),
    )


def spread_over(images: Split, count: int | None) -> Split:
    """Return ``count`` images spread evenly over a split; all of them if it has no more.

    Raises:
        ValueError: If ``count`` is below 1.
    """
    if count is None or count >= len(images):
        return images
    if count < 1:
        raise ValueError(f"images to judge robustness on must be >= 1, got {count}")
    rows = torch.linspace(0, len(images) - 1, count).round().long()
    groups = None if images.groups is None else images.groups[rows]
    return Split(images.images[rows], images.labels[rows], groups=groups)


def halved(held_out: Split) -> Aside | None:
    """Return held-out images in two halves, for a threshold of a card that is of all of them.

    Evenly over the classes, copies of an image in one half; the only image of a class judges.
    ``None`` if there are too few.
    """
    chooses = folds_of(held_out, 2, 1) == 1
    if chooses.all() or not chooses.any():
        return None
    return Aside(splits.chosen(held_out, chooses), splits.chosen(held_out, ~chooses))


def _threshold(
    answers: Answers,
    aside: Aside | None,
    wanted: float | None,
    own: tuple[Logits, torch.Tensor],
) -> tuple[Threshold | None, str]:
    """Return a threshold, or why there is none; ``own`` are the card's answers and labels."""
    if aside is None:
        if wanted is not None:
            raise ValueError(
                "a threshold is chosen on held-out images, and there are none, or too few: train"
                " without --full"
            )
        return None, "no images that were held out are here to choose it on, or too few"
    try:
        confidence, wanted, held_out_kept = chosen(
            answers(aside.chooses.images), aside.chooses.labels, wanted
        )
    except ValueError as error:
        if wanted is not None:
            raise
        return None, str(error)
    if aside.judges is not None:
        own = answers(aside.judges.images), aside.judges.labels
    kept, right = kept_by(confidence, *own)
    return Threshold(confidence, wanted, held_out_kept, len(own[1]), kept, right), ""


def _distance(spoilt: Pixels, pixels: Pixels) -> float:
    """Return how far a pixel is from the clean one on average, 0 to 255."""
    parts = zip(spoilt.split(_BATCH), pixels.split(_BATCH), strict=True)
    return sum(int((one.int() - of.int()).abs().sum()) for one, of in parts) / pixels.numel()


def _kept(
    answers: Answers, versions: list[Pixels], unchanged: Logits, labels: torch.Tensor
) -> tuple[float, float]:
    said = [answers(version) for version in versions]
    same = [float((of.argmax(1) == unchanged.argmax(1)).double().mean()) for of in said]
    return fmean(accuracy(of, labels) for of in said), fmean(same)


def _stranger(name: str, sure: torch.Tensor, own: torch.Tensor, line: float | None) -> Stranger:
    return Stranger(
        name=name,
        images=len(sure),
        confidence=float(sure.mean()),
        told_apart=told_apart(own, sure),
        certain=float((sure >= CERTAIN).double().mean()),
        answered=None if line is None else float((sure >= line).double().mean()),
    )
