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

        self._kind, self._facts = SummaryWriter, facts
        self._place = Path(facts.folder) / FOLDER / facts.name
        self._place.mkdir(parents=True, exist_ok=True)  # or refused, before the first epoch
        self._writer: Any = None

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        if self._writer is None:
            self._writer = self._begun(epoch)
        for name, value in figures.items():
            self._writer.add_scalar(name, value, epoch)

    def close(self, error: BaseException | None) -> None:
        if self._writer is not None:
            self._writer.close()

    def _begun(self, epoch: int) -> Any:
        """Return a writer; what an earlier run of the folder told from this epoch on is void."""
        writer = self._kind(str(self._place), purge_step=epoch)
        lines = [f"| {name} | {value} |" for name, value in self._facts.settings.items()]
        text = "\n".join(["| name | value |", "| --- | --- |", *lines])
        writer.add_text("settings", text, global_step=epoch)
        return writer


def start(facts: Facts) -> Tracker:
    """Return the tracker of a run."""
    return TensorBoard(facts)
