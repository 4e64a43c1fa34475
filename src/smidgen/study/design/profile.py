"""How much a design may spend on finding out."""

from dataclasses import dataclass
from typing import NamedTuple

from smidgen.data import Data
from smidgen.methods import Method, parse
from smidgen.recipe import Recipe
from smidgen.text import nearest

BASELINE = "one-cycle"  # in every trial of a design


class Round(NamedTuple):
    """One round of successive halving: the best ``nets`` so far, trained longer than before."""

    share: float  # of the epochs of a whole run
    nets: int
    seeds: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What a design may spend.

    Args:
        rounds: Of halving, the last one with whole runs; the first one has all rungs.
        seeds: Of every comparison between methods, >= 2.
        confirm_seeds: Of the winner.
        confirm_longer: How many times the epochs of a whole run the winner is trained: it is one
            net, where the search trains dozens, and small nets go on learning for long.
        images: Seen in a whole run, in round numbers; decides the epochs.
        most_epochs: In a whole run.
        tolerance: Percentage points below the best that the smallest net may stay.
        methods: Names of those tried.
        tries: Combinations tried at each step of the forward selection.
    """

    rounds: tuple[Round, ...]
    seeds: int
    confirm_seeds: int
    confirm_longer: int
    images: int
    most_epochs: int
    tolerance: float
    methods: tuple[str, ...]
    tries: int

    @property
    def rungs(self) -> int:
        """Nets to begin with."""
        return self.rounds[0].nets


_SOME = ("blurpool", "ema", "squeeze-excite", "crop", "affine")
_ALL = (*_SOME, "flip", "cutout", "mixup", "label-smoothing", "sam", "swa")
PROFILES = {
    "quick": Profile(
        rounds=(Round(0.25, 9, 1), Round(0.5, 4, 2), Round(1.0, 2, 3)),
        seeds=3,
        confirm_seeds=3,
        confirm_longer=2,
        images=64_000,
        most_epochs=60,
        tolerance=1.0,
        methods=_SOME,
        tries=2,
    ),
    "standard": Profile(
        rounds=(Round(0.2, 24, 1), Round(0.4, 8, 1), Round(1.0, 4, 3)),
        seeds=4,
        confirm_seeds=5,
        confirm_longer=3,
        images=500_000,
        most_epochs=120,
        tolerance=0.25,
        methods=_ALL,
        tries=3,
    ),
    "thorough": Profile(
        rounds=(Round(0.1, 36, 1), Round(0.2, 18, 1), Round(0.5, 8, 2), Round(1.0, 4, 5)),
        seeds=6,
        confirm_seeds=10,
        confirm_longer=3,
        images=2_000_000,
        most_epochs=200,
        tolerance=0.1,
        methods=_ALL,
        tries=5,
    ),
}
_FEWEST_EPOCHS = 2
_BATCHES = ((4_000, 32), (20_000, 64))  # training images below which a batch has that many
_BATCH = 128
_SMALL, _SMALL_LR, _LR = 10_000, 0.02, 0.01  # nets below so many parameters take a higher rate


def profile_of(name: str) -> Profile:
    """Return a profile by its name.

    Raises:
        ValueError: If there is no such profile.
    """
    if name not in PROFILES:
        raise ValueError(f"unknown profile {name!r}; {nearest(name, PROFILES)}")
    return PROFILES[name]


def recipe_of(profile: Profile, data: Data, params: int, epochs: int | None) -> Recipe:
    """Return the recipe of whole runs: AdamW, with numbers by the size of data and nets.

    Args:
        profile: Tells how many images a run sees.
        data: To train on.
        params: Of the largest net.
        epochs: Instead of what the profile says.
    """
    images = len(data.train)
    usual = min(max(round(profile.images / images), _FEWEST_EPOCHS), profile.most_epochs)
    return Recipe(
        epochs=usual if epochs is None else epochs,
        batch_size=next((size for below, size in _BATCHES if images < below), _BATCH),
        peak_lr=_SMALL_LR if params < _SMALL else _LR,
    )


def candidates(profile: Profile, data: Data) -> list[Method]:
    """Return the methods to try, with arguments that suit the size of the images."""
    side = min(data.shape[1:])
    arguments = {
        "crop": f"(padding={max(side // 8, 1)})",
        "cutout": f"(length={max(side // 3, 1)})",
        "affine": "(rotation=10.0, scale=0.1, shear=5.0, shift=0.07, anneal=0.25)",
    }
    return list(parse(", ".join(name + arguments.get(name, "") for name in profile.methods)))
