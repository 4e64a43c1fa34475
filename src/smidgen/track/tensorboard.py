"""TensorBoard: event files below the folder of runs, for ``tensorboard --logdir``."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from smidgen.track.base import Facts, Tracker

FOLDER = "tensorboard"  # beside the runs


class TensorBoard(Tracker):
    """A folder of events."""

    def __init__(self, facts: Facts) -> None:
        from torch.utils.tensorboard import SummaryWriter

        place = Path(facts.folder) / FOLDER / facts.name
        self._writer: Any = SummaryWriter(str(place))
        lines = [f"| {name} | {value} |" for name, value in facts.settings.items()]
        self._writer.add_text("settings", "\n".join(["| name | value |", "| --- | --- |", *lines]))

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        for name, value in figures.items():
            self._writer.add_scalar(name, value, epoch)

    def close(self) -> None:
        self._writer.close()


def start(facts: Facts) -> Tracker:
    """Return the tracker of a run."""
    return TensorBoard(facts)
