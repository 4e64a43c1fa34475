"""Small studies of the embedded digits."""

from collections.abc import Sequence

import pytest

from smidgen.data import Data, load
from smidgen.methods import parse
from smidgen.recipe import Recipe
from smidgen.spec import NetSpec
from smidgen.study.job import Job, Origin
from smidgen.trial import Trial


@pytest.fixture(scope="session")
def digits() -> Data:
    return load("digits")


@pytest.fixture(scope="session")
def tiny() -> NetSpec:
    layers = ["conv(8)", "max-pool", "depthwise(12)", "global-average-pool", "classifier(10)"]
    return NetSpec.from_dict({"name": "tiny", "input": [1, 8, 8], "layers": layers})


class Jobs:
    """Makes jobs of the tiny net on the digits."""

    def __init__(self, data: Data, net: NetSpec) -> None:
        self.data, self.net = data, net

    def __call__(
        self, seeds: Sequence[int] = (0,), methods: str = "", **numbers: float | str
    ) -> list[Job]:
        recipe = Recipe(**{"epochs": 1, **numbers})  # pyright: ignore[reportArgumentType]
        return [
            Job(
                Trial(
                    net=self.net,
                    methods=parse(methods),
                    recipe=recipe,
                    seed=seed,
                    data="digits",
                    fingerprint=self.data.fingerprint,
                    split="selection",
                ),
                Origin("digits"),
            )
            for seed in seeds
        ]


@pytest.fixture(scope="session")
def jobs(digits: Data, tiny: NetSpec) -> Jobs:
    return Jobs(digits, tiny)
