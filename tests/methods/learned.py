"""Runs for methods that learn from one, and data beside those that it has learned."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from smidgen.data import Data
from smidgen.data.base import FOUND
from smidgen.methods import Method
from smidgen.recipe import Recipe
from smidgen.testing.given import NET, SINGLE, some_data
from smidgen.train import train

NUMBERS: dict[str, Any] = {"epochs": 2, "batch_size": 8, "peak_lr": 0.01}


def run(folder: Path | None, methods: list[Method], data: Data | None = None, **more: Any) -> Any:
    return train(
        more.pop("net", NET),
        data or some_data(),
        methods=methods,
        recipe=Recipe(**NUMBERS),
        runtime=SINGLE,
        folder=folder,
        **more,
    )


def others(data: Data, **changes: Any) -> Data:
    return replace(data, **{"fingerprint": "", "preprocessing": FOUND, **changes})
