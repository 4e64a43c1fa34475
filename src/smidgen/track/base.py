"""What a tracker is, and what it is told of a run before it begins."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROJECT = "smidgen"


@dataclass(frozen=True, slots=True)
class Facts:
    """Of a run.

    Args:
        name: For people.
        folder: Where trackers that keep files may put theirs; text, as a tracker takes it.
        settings: Net, methods, numbers of the recipe, data, seed.
    """

    name: str
    folder: str
    settings: Mapping[str, Any]


class Tracker(ABC):
    """One run in one tracker."""

    @abstractmethod
    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        """Take in what was seen at the end of an epoch, counted from 1."""

    @abstractmethod
    def close(self, error: BaseException | None) -> None:
        """End the run there; with what ended it too early, such as a loss that is no number."""
