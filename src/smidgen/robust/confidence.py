"""Whether a net knows what it does not know: reliability, selective accuracy, a threshold."""

from dataclasses import dataclass
from math import ceil

import torch
from scipy.stats import rankdata
from torch import Tensor

from smidgen.evaluate.calibration import BINS
from smidgen.tensors import Labels, Logits

KEPT = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)  # shares of the answers, the surest
_FEWEST = 20  # answers that a threshold must leave, for its accuracy to mean anything


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about one confidence.

    Args:
        images: How many.
        confidence: Their mean, in [0, 1]; 0 if there are none.
        accuracy: Share of them that is right; likewise.
    """

    images: int
    confidence: float
    accuracy: float


@dataclass(frozen=True, slots=True)
class Threshold:
    """The confidence below which the answer is: I do not know.

    Args:
        confidence: The least that is answered, in [0, 1].
        wanted: Accuracy of the answers that it was chosen for, on held-out images.
        held_out_kept: Share of those images that is answered.
        images: How many judged it, none of them among those it was chosen on.
        kept: Share of these that is answered.
        accuracy: Of these answers; ``None`` if there are none.
    """

    confidence: float
    wanted: float
    held_out_kept: float
    images: int
    kept: float
    accuracy: float | None


def confidences(logits: Logits) -> Tensor:
    """Return the largest probability of each image."""
    return logits.double().softmax(1).max(1).values


def reliability(logits: Logits, labels: Labels, bins: int = BINS) -> tuple[Bin, ...]:
    """Return the answers in ``bins`` equal intervals of confidence; see :func:`ece`."""
    sure = confidences(logits)
    right = (logits.argmax(1) == labels).double()
    place = (sure * bins).ceil().long().clamp(1, bins) - 1
    counts, sums, rights = (
        torch.zeros(bins, dtype=torch.float64).index_add_(0, place, values)
        for values in (torch.ones_like(sure), sure, right)
    )
    shares = counts.clamp(min=1)
    return tuple(
        Bin(int(count), float(mean), float(share))
        for count, mean, share in zip(counts, sums / shares, rights / shares, strict=True)
    )


def pooled(parts: list[tuple[Bin, ...]]) -> tuple[Bin, ...]:
    """Return the bins of several sets of answers together."""
    found: list[Bin] = []
    for bins in zip(*parts, strict=True):
        images = sum(one.images for one in bins)
        found.append(
            Bin(
                images,
                sum(one.images * one.confidence for one in bins) / max(images, 1),
                sum(one.images * one.accuracy for one in bins) / max(images, 1),
            )
        )
    return tuple(found)


def selective(logits: Logits, labels: Labels) -> tuple[tuple[float, float], ...]:
    """Return for shares of the answers, the surest, how many of them are right.

    Answers of one confidence count alike, as the mean over their orders, whatever the images'.
    """
    sure, order = confidences(logits).sort(descending=True, stable=True)
    right = (logits.argmax(1) == labels)[order].double()
    _, place, counts = sure.unique_consecutive(return_inverse=True, return_counts=True)
    right = (torch.zeros(len(counts)).double().index_add_(0, place, right) / counts)[place]
    return tuple((kept, float(right[: max(1, ceil(kept * len(right)))].mean())) for kept in KEPT)


def require_share(wanted: float) -> None:
    """Refuse an accuracy that no answers have.

    Raises:
        ValueError: If it is outside 0 to 1, or 0.
    """
    if not 0 < wanted <= 1:
        raise ValueError(f"the accuracy wanted of sure answers must be in (0, 1], got {wanted}")


def chosen(logits: Logits, labels: Labels, wanted: float | None) -> tuple[float, float, float]:
    """Return the least confidence at which held-out answers are as accurate as wanted.

    Args:
        logits: Of images that the net was not trained on, and that no figure is told of.
        labels: Theirs.
        wanted: Accuracy of the answers; ``None`` asks for half of the errors.

    Returns:
        The confidence, the accuracy wanted, and the share of images that is answered.

    Raises:
        ValueError: If ``wanted`` is outside 0 to 1, or no threshold reaches it on at least 20
            images; the best one is named.
    """
    if wanted is not None:
        require_share(wanted)
    sure, order = confidences(logits).sort(descending=True, stable=True)
    right = (logits.argmax(1) == labels)[order].double()
    if wanted is None:
        wanted = 1 - (1 - float(right.mean())) / 2
    counts = torch.arange(1, len(right) + 1)
    shares = right.cumsum(0) / counts
    last = torch.cat([sure[1:] < sure[:-1], torch.tensor([True])])  # equals are answered together
    allowed = last & (counts >= min(_FEWEST, len(right)))
    good = (allowed & (shares >= wanted)).nonzero().flatten()
    if not len(good):
        best = int(torch.where(allowed, shares, -1.0).argmax())
        raise ValueError(
            f"no threshold makes {100 * wanted:g} % of the answers right on held-out images: the"
            f" best, {float(sure[best]):.4f}, makes {100 * float(shares[best]):.2f} % right of"
            f" {best + 1:,} of {len(right):,} images"
        )
    place = int(good[-1])
    return float(sure[place]), wanted, (place + 1) / len(right)


def kept_by(confidence: float, logits: Logits, labels: Labels) -> tuple[float, float | None]:
    """Return the share of answers that a threshold lets pass, and how many of them are right."""
    passed = confidences(logits) >= confidence
    right = (logits.argmax(1) == labels)[passed]
    share = float(right.double().mean()) if len(right) else None
    return float(passed.double().mean()), share


def told_apart(own: Tensor, others: Tensor) -> float:
    """Return how often an own picture is answered more surely than another; equals count half.

    The area under the curve of right against false alarms: 0.5 is chance.
    """
    ranks = rankdata(torch.cat([own, others]).numpy())
    sums = float(ranks[: len(own)].sum()) - len(own) * (len(own) + 1) / 2
    return sums / (len(own) * len(others))
