"""Design, train, prove and ship very small convolutional networks."""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as below, for readers and type checkers
    from smidgen import data, layers, methods, zoo
    from smidgen.evaluate import evaluate
    from smidgen.recipe import Recipe
    from smidgen.run import load_run
    from smidgen.runtime import Runtime
    from smidgen.spec import NetSpec
    from smidgen.train import train

__all__ = [
    "NetSpec",
    "Recipe",
    "Runtime",
    "data",
    "evaluate",
    "layers",
    "load_run",
    "methods",
    "train",
    "zoo",
]

_HOME = {
    "NetSpec": "spec",
    "Recipe": "recipe",
    "Runtime": "runtime",
    "evaluate": "evaluate",
    "load_run": "run",
    "train": "train",
}


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``smidgen --help`` does not wait for torch."""
    if name not in __all__:
        raise AttributeError(f"module 'smidgen' has no attribute {name!r}")
    if name not in _HOME:
        return importlib.import_module(f"smidgen.{name}")
    found = getattr(importlib.import_module(f"smidgen.{_HOME[name]}"), name)
    globals()[name] = found  # or the module of the same name would hide it
    return found
