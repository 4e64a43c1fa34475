"""MLflow: a run of the experiment smidgen, wherever its own settings say."""

import importlib
from collections.abc import Mapping
from typing import Any

from smidgen.track.base import PROJECT, Facts, Tracker


class MLflow(Tracker):
    """A run of the experiment smidgen."""

    def __init__(self, facts: Facts) -> None:
        self._library: Any = importlib.import_module("mlflow")
        self._library.set_experiment(PROJECT)
        self._library.start_run(run_name=facts.name)
        try:
            self._library.log_params(dict(facts.settings))
        except BaseException:
            self._library.end_run("FAILED")
            raise

    def log(self, figures: Mapping[str, float], epoch: int) -> None:
        self._library.log_metrics(dict(figures), step=epoch)

    def close(self, error: BaseException | None) -> None:
        failed = "FAILED" if isinstance(error, Exception) else "KILLED"  # as by Ctrl-C
        self._library.end_run("FINISHED" if error is None else failed)


def start(facts: Facts) -> Tracker:
    """Return the tracker of a run."""
    return MLflow(facts)
