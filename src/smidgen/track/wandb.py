"""Weights & Biases: a run of the project smidgen, wherever its own settings say."""

import importlib
from collections.abc import Mapping
from typing import Any

from smidgen.track.base import PROJECT, Facts, Tracker


class WandB(Tracker):
    """A run of the project smidgen."""

    def __init__(self, facts: Facts) -> None:
        library: Any = importlib.import_module("wandb")
        settings = dict(facts.settings)
        self._run: Any = library.init(project=PROJECT, name=facts.name, config=settings)

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        self._run.log(dict(figures), step=epoch)

    def close(self, error: BaseException | None) -> None:
        self._run.finish(exit_code=0 if error is None else 1)


def start(facts: Facts) -> Tracker:
    """Return the tracker of a run."""
    return WandB(facts)
