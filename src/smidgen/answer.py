"""What a net says of one picture: its classes, the likeliest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log
from typing import Any, SupportsIndex, final

import numpy as np
from numpy.typing import NDArray

from smidgen import escape

_SHOWN = 3  # classes in a repr


@final
@dataclass(frozen=True, slots=True, repr=False)
class Answer:
    """The probabilities of one picture.

    Args:
        ranking: Every class with its probability, the likeliest first.
        windows: How many they are the mean of; 1 of what is no recording of a sensor.
    """

    ranking: tuple[tuple[str, float], ...]
    windows: int = 1

    @property
    def name(self) -> str:
        """Of the likeliest class."""
        return self.ranking[0][0]

    @property
    def probability(self) -> float:
        """Of the likeliest class, in [0, 1]."""
        return self.ranking[0][1]

    @property
    def probabilities(self) -> dict[str, float]:
        """Of every class, by name, the likeliest first."""
        return dict(self.ranking)

    @property
    def margin(self) -> float:
        """How far the likeliest class is ahead of the next, in nats: ``log(p_1 / p_2)``.

        Of one picture it is the difference of their logits; infinite where the next is impossible.
        """
        return _margin(*(share for _, share in self.ranking[:2]))

    def top(self, count: int) -> tuple[tuple[str, float], ...]:
        """Return the likeliest ``count`` classes with their probabilities.

        Raises:
            ValueError: If ``count`` is no whole number, or below 1.
        """
        whole = isinstance(count, SupportsIndex)  # pyright: ignore[reportUnnecessaryIsInstance]
        if not (whole and count >= 1):
            raise ValueError(f"top must be a whole number >= 1, got {count!r}")
        return self.ranking[:count]

    def __str__(self) -> str:
        return _line(*self.ranking[0])

    def __repr__(self) -> str:
        shown = [_line(name, share) for name, share in self.ranking[:_SHOWN]]
        more = len(self.ranking) - len(shown)
        return f"Answer({', '.join([*shown, f'and {more} more'] if more else shown)})"


def _line(name: str, share: float) -> str:
    return f"{escape.terminal(name)} {100 * share:.1f} %"


def _margin(first: float, second: float = 0.0) -> float:
    return log(first) - log(second) if second > 0 else inf


def require_finite(finite: bool) -> None:
    """Refuse logits that are not, of which the first class would be the answer whatever is seen.

    Args:
        finite: Whether all are.

    Raises:
        ValueError: If not.
    """
    if not finite:
        raise ValueError(
            "a model must give finite logits, got NaN or infinity: its weights or statistics are of"
            " no training"
        )


def answers_of(
    logits: NDArray[Any], classes: Sequence[str], counts: Sequence[int] | None = None
) -> list[Answer]:
    """Return an answer a row of logits (n, classes); of equals, the class that is named first.

    Args:
        logits: Finite.
        classes: Names.
        counts: How many rows are of one picture, in order, of which the answer is the mean
            probability; one each if it is ``None``.

    Raises:
        ValueError: If there is not a logit a class, or one is not finite.
    """
    if logits.shape[1:] != (len(classes),):
        shape = "x".join(map(str, logits.shape))
        raise ValueError(f"a model of {len(classes)} classes must give n x that, got {shape}")
    shares = _shares(logits)
    counts = [1] * len(shares) if counts is None else counts
    if max(counts, default=1) > 1:
        first = np.cumsum([0, *counts[:-1]])
        shares = np.add.reduceat(shares, first, axis=0) / np.array(counts)[:, None]
    orders: list[list[int]] = np.argsort(-shares, axis=1, kind="stable").tolist()
    return [
        Answer(tuple((classes[place], float(row[place])) for place in order), count)
        for row, order, count in zip(shares, orders, counts, strict=True)
    ]


def margins_of(logits: NDArray[Any]) -> NDArray[Any]:
    """Return how far the answer to each row of logits (n, classes) is ahead of the next: (n,).

    Of floats it is :attr:`Answer.margin`, to the bit; of integers the difference of the two largest
    logits, which C finds without floats.
    """
    if np.issubdtype(logits.dtype, np.integer):
        best = -np.sort(-logits.astype(np.int64), axis=1)
        return best[:, 0] - best[:, 1]
    best = -np.sort(-_shares(logits), axis=1)[:, :2]
    return np.array([_margin(*row) for row in best.tolist()], np.float64)


def _shares(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return probabilities (n, classes)."""
    wide = logits.astype(np.float64)
    require_finite(bool(np.isfinite(wide).all()))
    powers = np.exp(wide - wide.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)
