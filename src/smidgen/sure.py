"""Answers that are given only where as many of them are right as wished."""

import warnings
from bisect import bisect_left
from dataclasses import dataclass
from math import ceil, exp, floor, log
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from smidgen.again import held_out_of, judged_on, same_place, trained_on
from smidgen.answer import Answer, margins_of
from smidgen.chance import CONFIDENCE, of_groups
from smidgen.data import Data, DataError, Split
from smidgen.data.base import Progress
from smidgen.evaluate import predict
from smidgen.names import require_path
from smidgen.run import Run, load_run
from smidgen.sizes import share_of

NOT_SURE = "not sure"
_STEPS = 50  # thresholds that are tested, one after the other
_FAR = 700.0  # nats, of which e to the power is still a number


@final
@dataclass(frozen=True, slots=True)
class Sure:
    """From which margin on a model answers, and what held-out images say of these answers.

    Args:
        wanted: Accuracy that the answers have at least, with 95 % confidence; in (0, 1).
        margin: The least at which it answers: of :attr:`~smidgen.answer.Answer.margin`, in nats; of
            integers, in steps of their logits.
        images: That were held out, on which it was chosen.
        answered: Of these.
        right: Of those answered.
    """

    wanted: float
    margin: float
    images: int
    answered: int
    right: int

    def passes(self, answer: Answer) -> bool:
        """Return whether an answer is given; otherwise it is: not sure."""
        return answer.margin >= self.margin

    def judged(self, logits: NDArray[Any], labels: NDArray[Any]) -> dict[str, int]:
        """Return how many other images there are, how many it lets pass, and of these the right.

        Args:
            logits: Floats (n, classes), or those of integer C where it was chosen on these.
            labels: Theirs (n,).
        """
        passed = margins_of(logits) >= self.margin
        right = passed & (logits.argmax(1) == labels)
        return {"images": len(passed), "answered": int(passed.sum()), "right": int(right.sum())}

    @property
    def told(self) -> str:
        """Say how much is answered, and how much of that is right."""
        return (
            f"answers {100 * self.answered / self.images:.1f} % of {self.images:,} held-out images,"
            f" {100 * self.right / self.answered:.2f} % of these right: at least"
            f" {100 * self.wanted:g} % with {100 * CONFIDENCE:g} % confidence"
        )

    @property
    def rule(self) -> str:
        """Say in words when a model of floats answers."""
        if self.margin <= 0:
            return "every picture is answered"
        times = exp(min(self.margin, _FAR))
        many = f"{times:,.2f}" if times < 1000 else f"{times:,.0f}"  # noqa: PLR2004
        return f"answers where the likeliest class is {many} times as likely as the next"


def sure(
    run: Path | str | Run,
    wanted: float | str,
    *,
    on: Data | Path | str | None = None,
    data_dir: Path | str | None = None,
) -> Sure:
    """Return from which margin on a run answers, so that a share of its answers is right.

    The threshold is chosen on images that were held out of training, never on test images; see
    :func:`surest` for how, and for what is promised.

    Args:
        run: The folder of a finished run or of a design, or a run itself.
        wanted: Share of the answers that is to be right, as ``0.99`` or ``"99%"``.
        on: Where labelled pictures are that the run has not learned; or its own data, in memory or
            where they are now. By default what was held out of its training.
        data_dir: Folder of local copies of data sets.

    Raises:
        ValueError: If the share is none, nothing was held out, or the images cannot show it: then
            with how many could.

    Warns:
        UserWarning: If the images have groups, as of one patient: they show less than they count.
    """
    share = share_of(wanted, "sure")
    loaded = run if isinstance(run, Run) else load_run(run)
    place = loaded.trial.net.name if isinstance(run, Run) else run
    return chosen(loaded, images_for(loaded, place, on=on, data_dir=data_dir), share)


def chosen(run: Run, images: Split, wanted: float) -> Sure:
    """Return the threshold that images of :func:`images_for` give; see :func:`sure`."""
    logits = predict(run.model, images.images, run.mean, run.std)
    right = (logits.argmax(1) == images.labels).numpy()
    return surest(margins_of(logits.numpy()), right, wanted)


def images_for(
    run: Run,
    place: Path | str,
    *,
    own: Data | None = None,
    on: Data | Path | str | None = None,
    data_dir: Path | str | None = None,
    progress: Progress = None,
) -> Split:
    """Return the images that a threshold is chosen on: none was learned, and none is a test image.

    Args:
        run: As loaded.
        place: It was loaded from, for errors.
        own: Data it was trained on, if they are read already.
        on: As in :func:`sure`.
        data_dir: Folder of local copies of data sets.
        progress: See :func:`smidgen.data.load`.

    Raises:
        ValueError: If there are none.
    """
    if on is None or isinstance(on, Data) or same_place(run, require_path(on, "on")):
        found = own
        if on is not None or own is None:
            try:
                found = trained_on(run, place, data=on, data_dir=data_dir, progress=progress)
            except DataError as error:  # which names the option of who only reads them
                said = str(error).replace("--data, or data=", "--sure-on, or on=")
                raise DataError(said) from None
    else:
        found = judged_on(run, on, data_dir=data_dir, progress=progress)
    assert found is not None
    images = found.test
    if found.fingerprint == run.trial.fingerprint:
        try:
            images = held_out_of(run, found, place)
        except ValueError as error:
            raise ValueError(
                f"{error}, which a threshold could be chosen on; --sure-on (on=) names labelled"
                " pictures that it has not learned"
            ) from None
    if images.groups is not None:
        groups = len(images.groups.unique())
        warnings.warn(of_groups(len(images), groups, "held-out"), stacklevel=3)
    return images


def fewest(wanted: float, wrong: int = 0) -> int:
    """Return how many answers show an accuracy with 95 % confidence where some are wrong.

    Args:
        wanted: The accuracy, in (0, 1).
        wrong: How many are.
    """
    most = ceil(log(1 - CONFIDENCE) / log(wanted))
    while not _shows(most, wrong, wanted):
        most *= 2
    return bisect_left(range(most), True, key=lambda count: _shows(count, wrong, wanted))


def require_enough(count: int, wanted: float) -> None:
    """Refuse a share of right answers that so many images cannot show, all of them right.

    Raises:
        ValueError: With how many it takes, and what these can show.
    """
    least = fewest(wanted)
    if count < least:
        most = floor(1000 * (1 - CONFIDENCE) ** (1 / max(count, 1))) / 10
        raise ValueError(
            f"{100 * wanted:g} % with {100 * CONFIDENCE:g} % confidence takes {least:,} held-out"
            f" images that are answered without an error, got {count:,}, which show {most:g} % at"
            " most"
        )


def surest(margins: NDArray[Any], right: NDArray[np.bool_], wanted: float) -> Sure:
    """Return the least margin whose answers are shown to be as accurate as wanted.

    A threshold lies just above the margin of one held-out image, so that those above it are drawn
    like all that it lets pass: of ``n`` answers ``k`` are wrong by the binomial distribution, and
    ``P(Binomial(n, 1 - wanted) <= k) <= 0.05`` shows the accuracy (Clopper-Pearson's bound). Up to
    50 thresholds are tested, the strictest first and by numbers of images that are fixed before
    anything is seen, until one fails; the last that passed is taken. Each is tested at the full
    5 %, since a false one is taken only if the first false one of the sequence passes.

    Source: Angelopoulos et al. 2021, "Learn then Test", arXiv:2110.01052, section 2.3, fixed
    sequence testing; Geifman and El-Yaniv 2017, "Selective Classification for Deep Neural
    Networks", arXiv:1705.08500, which shares the 5 % among the thresholds instead.

    Differs: thresholds are order statistics and not a grid, so that the first is strict enough for
    any net. The 5 % then hold where the accuracy of what is answered falls below the wish once, as
    the threshold falls, and not in turns. The first leaves room for one wrong answer where half as
    many images again are there.

    Args:
        margins: Of each image, the more the surer; floats or whole numbers.
        right: Whether its answer is.
        wanted: Share of the answers that is to be right, in (0, 1).

    Raises:
        ValueError: If there are too few images to show it, with how many it takes; or if too many
            of the surest are wrong.
    """
    count, room = len(margins), fewest(wanted, 1)
    require_enough(count, wanted)
    first = room if 3 * room <= 2 * count else fewest(wanted)
    order = np.argsort(-margins, kind="stable")
    sorted_, wrong = margins[order], np.cumsum(~right[order])
    found = None
    for kept in np.unique(np.linspace(first, count, _STEPS).round().astype(int)).tolist():
        answered = int(np.searchsorted(-sorted_, -sorted_[kept])) if kept < count else count
        if answered < first:  # equals are answered together, or none of them is
            continue
        if not _shows(answered, int(wrong[answered - 1]), wanted):
            break
        margin = _above(sorted_[kept]) if kept < count else 0
        found = Sure(wanted, margin, count, answered, answered - int(wrong[answered - 1]))
    if found is None:
        raise ValueError(
            f"{100 * wanted:g} % is not shown: {int(wrong[first - 1]):,} of the {first:,} surest of"
            f" {count:,} held-out images answered wrongly; a lower share, or more images, may be"
        )
    return found


def _shows(answers: int, wrong: int, wanted: float) -> bool:
    """Return whether so few wrong answers are improbable below an accuracy."""
    from scipy.special import bdtr

    return bool(answers > wrong and bdtr(wrong, answers, 1 - wanted) <= 1 - CONFIDENCE)


def _above(margin: Any) -> Any:
    """Return the least margin that is more than another."""
    if isinstance(margin, np.integer):
        return int(margin) + 1
    return float(np.nextafter(margin, np.inf))
