"""How candidates are judged on training images that they have not seen."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, exp
from statistics import fmean
from typing import Any

import torch

from smidgen.data import Data
from smidgen.data.parts import folds_of
from smidgen.data.sensor import is_window
from smidgen.split_names import SELECTION, fold_name
from smidgen.study.job import QUICK
from smidgen.study.statistics import Interval, paired_effect

SMALL = 10_000  # training images below which every candidate is judged by folds
FOLDS = 5
_UNEVEN = 2.0  # times as many images in the largest class as in the smallest
Rows = Mapping[int, Mapping[str, Any]]  # by replicate


@dataclass(frozen=True, slots=True)
class Judging:
    """What a candidate's figure is, and on which images it is found.

    A replicate is a run with a seed of its own. On few images it also holds out a fold of its own,
    so that all images take their turn in five, and its figure is the mean of the accuracy and of
    ``100 exp(-NLL)``, the geometric mean of what the net gives to the right class: where an
    accuracy moves by whole images, the likelihood tells more. On many images it is the accuracy on
    those held out for all.

    Args:
        folds: Of the cross-validation; 0 holds one part out for all.
        balanced: Whether each class counts alike, and not each image.
        images: Held out in all folds together, or in the one part.
        robust: Whether a figure is the mean of that and of how changed pictures are answered, at
            most 500 of the held-out images: the mean over three families (corruptions, geometry,
            light), and in each of the accuracy and of ``100 exp(-NLL)``, on many images too, as
            a net that is wrong there should not be sure.
        windows: Whether they are windows of a sensor, whose families are corruptions, time and
            level.
    """

    folds: int
    balanced: bool
    images: int
    robust: bool = False
    windows: bool = False

    def split(self, replicate: int) -> str:
        """Return the split of a replicate, counted from 0."""
        if self.folds == 0:
            return SELECTION
        return fold_name(replicate % self.folds + 1, self.folds, replicate // self.folds + 1)

    def after(self, used: int, count: int) -> range:
        """Return ``count`` replicates with neither a seed nor a round of folds of earlier ones.

        Args:
            used: Replicates before them, counted from 0.
            count: How many.
        """
        first = ceil(used / self.folds) * self.folds if self.folds else used
        return range(first, first + count)

    def accuracy(self, row: Mapping[str, Any]) -> float:
        """Return the accuracy in percent, a mean over the classes if they are uneven."""
        return 100 * float(row["balanced_accuracy" if self.balanced else "accuracy"])

    def level(self, row: Mapping[str, Any]) -> float:
        """Return the percent that tells how much is left to gain: the accuracy.

        Of a net for robust, which is rarely wrong on pictures as they are and often on changed
        ones, it is the figure.
        """
        return self.points(row) if self.robust else self.accuracy(row)

    def points(self, row: Mapping[str, Any]) -> float:
        """Return the figure of a row, in percent."""
        own = self._clean(row)
        return (own + self._changed(row)) / 2 if self.robust else own

    def _changed(self, row: Mapping[str, Any]) -> float:
        kind = "balanced_" if self.balanced else ""
        names = [f"{kind}accuracy", f"{kind}likelihood"]
        families = row["robust_quick"].values()
        return 100 * fmean(family[name] for family in families for name in names)

    def _clean(self, row: Mapping[str, Any]) -> float:
        if self.folds == 0:
            return self.accuracy(row)
        nll = float(row["balanced_nll" if self.balanced else "nll"])
        return (self.accuracy(row) + 100 * exp(-nll)) / 2

    def mean(self, rows: Rows) -> float:
        """Return the mean figure of a candidate."""
        return fmean(self.points(row) for row in rows.values())

    @property
    def is_accuracy(self) -> bool:
        """Whether the figure is an accuracy, and not a score that weighs more than that."""
        return self.folds == 0 and not self.robust

    @property
    def _what(self) -> str:
        return "balanced accuracy" if self.balanced else "accuracy"

    @property
    def unit(self) -> str:
        """What a difference of two figures is counted in, for people."""
        if not self.is_accuracy:
            return "of score"
        return f"points of {self._what}" if self.balanced else "points"

    def told(self, rows: Rows) -> str:
        """Return the mean figure for people; beside one that is no accuracy stands what that is."""
        figure = self.mean(rows)
        if self.is_accuracy:
            return f"{figure:.2f} %" + (f" {self._what}" if self.balanced else "")
        reached = fmean(map(self.accuracy, rows.values()))
        return f"score {figure:.2f} ({self._what} {reached:.2f} %)"

    def effect(self, rows: Rows, base: Rows) -> Interval:
        """Return the difference of two candidates, paired by replicate.

        Folds share what they train on, so the interval of their mean is widened by the ratio of
        held-out to training images (Nadeau & Bengio 2003, "Inference for the Generalization
        Error", Machine Learning 52, sec. 4).
        """
        shared = 1 / (self.folds - 1) if self.folds else 0.0
        step = 100 / max(float(next(iter(base.values()))["images"]), 1.0)
        return paired_effect(
            {replicate: self.points(row) for replicate, row in rows.items()},
            {replicate: self.points(row) for replicate, row in base.items()},
            step=step,
            shared=shared,
        )

    def error(self, percent: float, replicates: int) -> float:
        """Return about how well a difference of two candidates can be known, in points.

        The standard error of a paired difference near ``percent``, a level, if the two
        disagree on as many images as independent halves of their errors would.
        """
        share = min(max(percent / 100, 0.01), 0.99)
        part = min(replicates / self.folds, 1.0) if self.folds else 1.0
        return 100 * (share * (1 - share) / (self.images * part)) ** 0.5

    def __str__(self) -> str:
        score = "" if self.is_accuracy else "a score: "
        if self.folds == 0:
            own = f"{score}{self._what} on {self.images:,} images held out of training"
        else:
            own = (
                f"{score}the mean of {self._what} and likelihood, 100 exp(-NLL), on folds held out"
                f" of {self.images:,} training images, {self.folds} a round"
            )
        if not self.robust:
            return own
        families = "moved, turned and resized; light, contrast and focus"
        if self.windows:
            families = "moved in time and played faster; gain, offset and smoothing"
        return (
            f"{own}; and as much by how those are answered when changed (at most {QUICK}), the"
            f" mean of {self._what} and 100 exp(-NLL) over three families: corruptions; {families}"
        )


def judging_of(data: Data, *, robust: bool = False) -> Judging:
    """Return how candidates for ``data`` are judged.

    Args:
        data: To be learned.
        robust: Whether changed pictures weigh as much as those that are as they are.

    Raises:
        ValueError: If there is no image to judge on.
    """
    counts = torch.bincount(data.train.labels, minlength=len(data.classes))
    balanced = int(counts.max()) >= _UNEVEN * int(counts.min())
    seen = robust, is_window(*data.shape[1:])
    given: Any = getattr(data, "validation", None)
    if given is not None:
        return Judging(0, balanced, len(given), *seen)
    images = len(data.train)
    if images >= SMALL:
        from smidgen.data import selection_split

        return Judging(0, balanced, len(selection_split(data.train)[1]), *seen)
    folds = int(folds_of(data.train, FOLDS, 1).max())  # fewer than five of fewer than five images
    if folds < 2:  # noqa: PLR2004 - what is held out is trained on as well
        raise ValueError(
            f"no class of {data.name} has two training images, one to learn from and one to choose"
            " on: add images"
        )
    return Judging(folds, balanced, images, *seen)
