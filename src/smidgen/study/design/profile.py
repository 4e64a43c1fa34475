"""How much a design may spend on finding out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from smidgen.data import Data
from smidgen.recipe import Recipe
from smidgen.study.design.judging import SMALL, Judging
from smidgen.text import nearest

PREFERENCES = ("best", "smallest")


class Round(NamedTuple):
    """One round of successive halving: the best ``nets`` so far, trained longer than before."""

    share: float  # of the epochs of a whole run
    nets: int
    seeds: int


class Change(NamedTuple):
    """Another recipe than the usual one, which is AdamW's."""

    rate: float = 1.0  # factor of the peak rate
    decay: float = 1.0  # factor of the weight decay
    optimizer: str = "adamw"


@dataclass(frozen=True, slots=True)
class Profile:
    """What a design may spend.

    Args:
        rounds: Of halving, the last one with whole runs; the first one has all rungs.
        seeds: Of every comparison, >= 2.
        moves: Neighbours of the best net that are tried.
        move_rounds: How often, each time around the best so far.
        confirm_seeds: Of the winner.
        confirm_longer: How many times the epochs of a whole run the winner is trained: it is one
            net, where the search trains dozens, and small nets go on learning for long.
        images: Seen in a whole run, in round numbers; decides the epochs.
        most_epochs: In a whole run.
        tolerance: Percentage points below the best that the smallest net may stay, where the
            smallest is asked for; five times as many below are hopeless.
        worth: Points that a comparison must be expected to gain for it to be made.
        methods: Names of those tried, beside those that every design starts with.
        recipes: Those tried beside the usual one.
    """

    rounds: tuple[Round, ...]
    seeds: int
    moves: int
    move_rounds: int
    confirm_seeds: int
    confirm_longer: int
    images: int
    most_epochs: int
    tolerance: float
    worth: float
    methods: tuple[str, ...]
    recipes: tuple[Change, ...]

    @property
    def rungs(self) -> int:
        """Nets to begin with."""
        return self.rounds[0].nets

    def fresh(self, judging: Judging) -> range:
        """Return the replicates of all comparisons after the choice of the net: none chose it.

        The figures of a net that is the best of several are too high by chance. As the base of
        comparisons they would show methods to hurt, and those of the start to help, that do
        nothing.
        """
        return judging.after(max(self.seeds, *(one.seeds for one in self.rounds)), self.seeds)

    @property
    def lengths(self) -> dict[str, Any]:
        """What a limit of time makes of it; see :meth:`lasting`."""
        return {
            "rounds": [list(one) for one in self.rounds],
            "moves": self.moves,
            "images": self.images,
            "most_epochs": self.most_epochs,
        }

    def lasting(self, lengths: Mapping[str, Any]) -> "Profile":
        """Return the profile with the lengths of another."""
        rounds = tuple(Round(*one) for one in lengths["rounds"])
        return replace(self, **{**lengths, "rounds": rounds})

    @property
    def for_front(self) -> "Profile":
        """The same for a front of nets: more of them are left in the last round, none is moved."""
        *early, last = self.rounds
        wider = max(last.nets, _FRONT)
        early = [one._replace(nets=max(one.nets, wider)) for one in early]
        return replace(self, rounds=(*early, last._replace(nets=wider)), move_rounds=0)


_FRONT = 6  # nets, at most, of a front
_ALL = (
    "flip", "crop", "affine", "squeeze-excite", "cutout", "mixup", "label-smoothing", "sam",
)  # fmt: skip
_SOAP = Change(rate=2.0, optimizer="soap")  # on nets of 500 to 11,000 parameters: docs/log.md
PROFILES = {
    "quick": Profile(
        rounds=(Round(0.25, 9, 1), Round(0.5, 4, 2), Round(1.0, 2, 3)),
        seeds=3,
        moves=3,
        move_rounds=1,
        confirm_seeds=3,
        confirm_longer=3,
        images=48_000,
        most_epochs=80,
        tolerance=1.0,
        worth=0.1,
        methods=("flip", "crop"),
        recipes=(),
    ),
    "standard": Profile(
        rounds=(Round(0.2, 24, 1), Round(0.4, 8, 1), Round(1.0, 4, 3)),
        seeds=4,
        moves=6,
        move_rounds=2,
        confirm_seeds=5,
        confirm_longer=3,
        images=500_000,
        most_epochs=120,
        tolerance=0.25,
        worth=0.03,
        methods=_ALL,
        recipes=(Change(rate=2.0), Change(rate=0.5), Change(decay=5.0), _SOAP),
    ),
    "thorough": Profile(
        rounds=(Round(0.1, 36, 1), Round(0.2, 18, 1), Round(0.5, 8, 2), Round(1.0, 4, 5)),
        seeds=6,
        moves=8,
        move_rounds=3,
        confirm_seeds=10,
        confirm_longer=10,
        images=2_000_000,
        most_epochs=200,
        tolerance=0.1,
        worth=0.01,
        methods=_ALL,
        recipes=(
            *(Change(rate=2.0), Change(rate=0.5), Change(decay=5.0), Change(decay=0.2)),
            _SOAP,
        ),
    ),
}
_FEWEST_EPOCHS = 2
_BATCHES = ((4_000, 32), (20_000, 64))  # training images below which a batch has that many
_BATCH = 128
_SMALL_NET, _SMALL_LR, _LR = 10_000, 0.02, 0.01  # nets of fewer parameters take a higher rate


def profile_of(name: str) -> Profile:
    """Return a profile by its name.

    Raises:
        ValueError: If there is no such profile.
    """
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}; {nearest(name, PROFILES)}")
    return PROFILES[name]


def recipe_of(profile: Profile, data: Data, params: int, epochs: int | None = None) -> Recipe:
    """Return the recipe of whole runs: AdamW, with numbers by the size of data and nets.

    Args:
        profile: Tells how many images a run sees.
        data: To train on.
        params: Of the largest net.
        epochs: That a run of the search may have at most, where the last runs are to be short.
    """
    images = len(data.train)
    usual = min(max(round(profile.images / images), _FEWEST_EPOCHS), profile.most_epochs)
    return Recipe(
        epochs=usual if epochs is None else min(usual, epochs),
        batch_size=next((size for below, size in _BATCHES if images < below), _BATCH),
        peak_lr=_SMALL_LR if params < _SMALL_NET else _LR,
    )


def is_small(data: Data) -> bool:
    """Whether there are so few images that folds judge and that long runs cost little."""
    return len(data.train) < SMALL
