"""The quick card, by which candidates are compared: a few changes of each family, two figures."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import astuple, dataclass
from math import exp
from statistics import fmean
from typing import Any

from smidgen.confusion import balanced_accuracy, figures_of
from smidgen.data import Split
from smidgen.data.sensor import is_window
from smidgen.evaluate.accuracy import accuracy
from smidgen.evaluate.calibration import balanced_nll, nll
from smidgen.robust.card import Answers
from smidgen.robust.corruptions import corruptions_for
from smidgen.robust.seen import changes_for
from smidgen.tensors import Labels, Pixels

# Of the amounts that the whole card has, by kind of change: neither the mildest nor the strongest,
# and to both sides where there are two.
_GEOMETRY = {"shift": (2.0,), "rotation": (15.0,), "scale": (0.8, 1.25)}
_LIGHT = {"exposure": (-2.0, 2.0), "contrast": (0.5, 2.0), "blur": (1.0,)}
# Likewise of windows of a sensor.
_TIME = {"shift": (8.0,), "tempo": (0.8, 1.25)}
_LEVEL = {"gain": (0.5, 2.0), "offset": (-5.0, 5.0), "smoothing": (1.0,)}


@dataclass(frozen=True, slots=True)
class Answered:
    """How changed pictures are answered; all in [0, 1].

    Args:
        accuracy: Share of right answers.
        likelihood: ``exp(-NLL)``, the geometric mean of what the net gives to the right class.
        balanced_accuracy: Mean of the accuracies of the classes.
        balanced_likelihood: Of the mean of their NLLs.
    """

    accuracy: float
    likelihood: float
    balanced_accuracy: float
    balanced_likelihood: float


def quick_card(answers: Answers, images: Split, seed: int = 0) -> dict[str, Answered]:
    """Return how pictures are answered, by family of changes: a card in a moment.

    ``corruptions`` are the fifteen at the middle one of their published severities; ``geometry``
    are shifts by 2 pixels, rotations by 15 degrees, and sizes of 0.8 and 1.25; ``light`` is
    exposure of two stops less and more, contrast of 0.5 and 2, and a blur of one pixel of 32. A
    figure is the mean over the kinds of change, and of a kind over its versions. Of windows of a
    sensor the other two are ``time``, shifts by 8 moments and tempos of 0.8 and 1.25, and
    ``level``, gains of 0.5 and 2, offsets of 5 % of the values and a smoothing of one moment.

    Args:
        answers: Of bytes (n, c, h, w).
        images: To judge on.
        seed: Of all draws.

    Raises:
        ValueError: If a corruption is not defined for these pictures.
    """
    pixels = images.images.contiguous()
    families = {"corruptions": _corrupted(pixels, seed)}
    for family, ways in _families(windows=is_window(*pixels.shape[2:])).items():
        families[family] = _seen(pixels, ways)
    return {
        family: _mean(
            _mean(_answered(answers, pictures, images.labels) for pictures in versions)
            for versions in kinds
        )
        for family, kinds in families.items()
    }


def by_family(card: Mapping[str, Any]) -> dict[str, float]:
    """Return the mean accuracies of a whole card by the same families, in [0, 1].

    Args:
        card: As a mapping: :class:`~smidgen.robust.card.RobustCard`, or a row's.
    """

    def seen(kinds: Iterable[str]) -> float:
        return fmean(
            fmean(of["accuracy"] for of in card["seen"] if of["kind"] == kind and of["amount"])
            for kind in kinds
        )

    windows = any(of["kind"] in _LEVEL for of in card["seen"])
    found = {family: seen(ways) for family, ways in _families(windows=windows).items()}
    return {"corruptions": card["accuracy"], **found}


def _families(*, windows: bool) -> dict[str, dict[str, tuple[float, ...]]]:
    """Return the amounts of each kind of change, by family beside the corruptions."""
    if windows:
        return {"time": _TIME, "level": _LEVEL}
    return {"geometry": _GEOMETRY, "light": _LIGHT}


def _corrupted(pixels: Pixels, seed: int) -> Iterator[list[Pixels]]:
    for one in corruptions_for(*pixels.shape[1:]):
        yield [one.apply(pixels, one.published[len(one.published) // 2], seed)]


def _seen(pixels: Pixels, kinds: Mapping[str, tuple[float, ...]]) -> Iterator[list[Pixels]]:
    ways = changes_for(*pixels.shape[2:])
    for kind, amounts in kinds.items():
        wanted = [of for of in ways if of.kind == kind and of.amount in amounts]
        yield [version for of in wanted for version in of.apply(pixels)]


def _answered(answers: Answers, pictures: Pixels, labels: Labels) -> Answered:
    logits = answers(pictures)
    names = [""] * logits.shape[1]
    figures = figures_of(labels.numpy(), logits.argmax(1).numpy(), names)
    return Answered(
        accuracy(logits, labels),
        exp(-nll(logits, labels)),
        balanced_accuracy(figures),
        exp(-balanced_nll(logits, labels)),
    )


def _mean(of: Iterable[Answered]) -> Answered:
    return Answered(*map(fmean, zip(*map(astuple, of), strict=True)))
