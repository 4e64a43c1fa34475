"""Several starts of one run: the fewer remain, the longer they compete."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from math import inf
from pathlib import Path
from typing import NamedTuple

from smidgen.files import require_no_link
from smidgen.recipe import Recipe
from smidgen.training import Training, TrainingDivergedError

STARTS = "starts"  # the folder of a run in which they are kept until one is chosen
_LOG = logging.getLogger(__name__)


class Turn(NamedTuple):
    """What is trained, and where that is in the whole of a run."""

    start: int  # counted from 1; 0 is the one that was chosen
    before: int  # epochs of the run before the first of this start, were it trained alone from here
    epochs: int  # of the run, those of every start among them

    def done(self, epoch: float) -> float:
        """Return the share of the run that is done after ``epoch`` epochs of this start."""
        return (self.before + epoch) / self.epochs


class Round(NamedTuple):
    """Starts that compete."""

    starts: int
    begins: int  # epochs of each before it
    ends: int  # and after it, when half of them go on

    @property
    def epochs(self) -> int:
        """Of all of them."""
        return self.starts * (self.ends - self.begins)


def rounds(recipe: Recipe) -> Iterator[Round]:
    """Yield the rounds of a run.

    Of ``n`` half go on after ``1 / n`` of the epochs: eight after an eighth, four after a quarter,
    two after a half. A doubling of the starts costs half a run.
    """
    starts, begins = recipe.starts, 0
    while starts > 1:
        ends = max(recipe.epochs // starts, 1)
        yield Round(starts, begins, ends)
        starts, begins = starts // 2, ends


def turn_of_chosen(recipe: Recipe) -> Turn:
    """Return where the epochs of the chosen start are, those that it competed in among them."""
    each = list(rounds(recipe))
    before = sum(one.epochs for one in each) - (each[-1].ends if each else 0)
    return Turn(0, before, before + recipe.epochs)


def chosen(
    recipe: Recipe,
    folder: Path,
    begin: Callable[[int, Path], Training],
    go_on: Callable[[Training, Turn, Path], None],
) -> Training:
    """Train several starts and return the one whose training loss was the lowest in each round.

    They differ in the weights that were drawn, and see the same batches. One that diverges is out.
    What an interrupted call left is gone on with.

    Args:
        recipe: Of the run.
        folder: For a folder of checkpoints a start.
        begin: Returns a start, counted from 0, from its folder if there is something in it.
        go_on: Trains a start for an epoch.

    Raises:
        TrainingDivergedError: If none is left.
        ValueError: If one of those folders is a link, as in a stranger's run.
    """
    places = [folder / f"start-{start + 1}" for start in range(recipe.starts)]
    for path in (folder, *places):
        require_no_link(path)
    total, passed = turn_of_chosen(recipe).epochs, 0
    diverged: list[TrainingDivergedError] = []
    left, seconds = list(range(recipe.starts)), dict.fromkeys(range(recipe.starts), 0.0)
    for starts, begins, until in rounds(recipe):
        losses: dict[int, float] = {}
        for start in left:
            place = places[start]
            place.mkdir(parents=True, exist_ok=True)
            training = begin(start, place)
            turn = Turn(start + 1, passed - begins, total)
            try:
                while len(training.history) < until:
                    go_on(training, turn, place)
            except TrainingDivergedError as error:
                losses[start] = inf
                diverged.append(error)
            else:
                training.save(place)
                losses[start] = training.history[until - 1].loss
            seconds[start] = training.history[-1].seconds if training.history else 0.0
            passed += until - begins
        told = ", ".join(f"{start + 1}: {loss:.4f}" for start, loss in losses.items())
        _LOG.info("loss of starts after %d epochs: %s", until, told)
        left = sorted((s for s in left if losses[s] < inf), key=losses.__getitem__)[: starts // 2]
        if not left:
            raise diverged[-1]
    training = begin(left[0], places[left[0]])
    # as if the chosen one had taken the time of all
    training.history[-1] = replace(training.history[-1], seconds=sum(seconds.values()))
    return training
