"""Design, train, prove and ship very small convolutional networks."""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as below, for readers and type checkers
    from smidgen import data, layers, methods, zoo
    from smidgen.compare import compare
    from smidgen.curve import curve
    from smidgen.design import design
    from smidgen.evaluate import evaluate
    from smidgen.export.artefact import Wish
    from smidgen.export.c.profile import inspect
    from smidgen.export.on_board import verify_on_board
    from smidgen.export.ship import export
    from smidgen.export.verify import verify
    from smidgen.fine_tune import fine_tune
    from smidgen.model import load
    from smidgen.recipe import Recipe
    from smidgen.run import load_run
    from smidgen.runtime import Runtime
    from smidgen.spec import NetSpec
    from smidgen.studies import report, study
    from smidgen.sure import sure
    from smidgen.train import train

__all__ = [
    "NetSpec",
    "Recipe",
    "Runtime",
    "Wish",
    "compare",
    "curve",
    "data",
    "design",
    "evaluate",
    "export",
    "fine_tune",
    "inspect",
    "layers",
    "load",
    "load_run",
    "methods",
    "report",
    "study",
    "sure",
    "train",
    "verify",
    "verify_on_board",
    "zoo",
]

_HOME = {
    "NetSpec": "spec",
    "Recipe": "recipe",
    "Runtime": "runtime",
    "Wish": "export.artefact",
    "inspect": "export.c.profile",
    "load": "model",
    "load_run": "run",
    "verify": "export.verify",
    "verify_on_board": "export.on_board",
}


def __dir__() -> list[str]:
    """Offer the public names, also those that are imported on first use."""
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    """Import on first use, so that ``smidgen --help`` does not wait for torch."""
    if name == "__version__":
        return importlib.import_module("smidgen.release").release()
    if name not in __all__:
        raise AttributeError(f"module 'smidgen' has no attribute {name!r}")
    if name in _HOME:
        return getattr(importlib.import_module(f"smidgen.{_HOME[name]}"), name)
    return importlib.import_module(f"smidgen.{name}")


def _function(name: str, home: str | None = None) -> property:
    """Return an attribute that is a function, whatever module of its name is imported when."""

    def value(package: ModuleType) -> Any:
        return getattr(importlib.import_module(f"smidgen.{home or name}"), name)

    def ignore(package: ModuleType, module: ModuleType) -> None:
        """Python's import would put the module in the function's place."""

    return property(value, ignore)


class _Package(ModuleType):
    """Holds the functions that share their name with a module or package."""

    compare = _function("compare")
    curve = _function("curve")
    design = _function("design")
    train = _function("train")
    evaluate = _function("evaluate")
    export = _function("export", "export.ship")
    fine_tune = _function("fine_tune")
    study = _function("study", "studies")
    report = _function("report", "studies")
    sure = _function("sure")


sys.modules[__name__].__class__ = _Package
