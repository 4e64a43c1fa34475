"""Trackio: a local data base, for ``trackio show``."""

import importlib
from collections.abc import Mapping
from typing import Any

from smidgen.track.base import PROJECT, Facts, Tracker


class Trackio(Tracker):
    """A run of the project smidgen."""

    def __init__(self, facts: Facts) -> None:
        self._library: Any = importlib.import_module("trackio")
        self._library.init(project=PROJECT, name=facts.name, config=dict(facts.settings))

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        self._library.log(dict(figures), step=epoch)

    def close(self, error: BaseException | None) -> None:
        self._library.finish()


def start(facts: Facts) -> Tracker:
    """Return the tracker of a run."""
    return Trackio(facts)
