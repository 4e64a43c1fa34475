"""What the package raises comes whole out of another process, with its message."""

import pickle
import re
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import FunctionType

import pytest

SRC = Path(__file__).parents[1] / "src"
RAISED = [
    (".".join(path.relative_to(SRC).with_suffix("").parts), name)
    for path in sorted(SRC.rglob("*.py"))
    for name in re.findall(r"^class (\w+(?:Error|Warning))\b", path.read_text(), re.MULTILINE)
]


@pytest.mark.parametrize(("module", "name"), RAISED, ids=[name for _, name in RAISED])
def test_every_error_survives_the_way_between_processes(module: str, name: str) -> None:
    kind = getattr(import_module(module), name)
    own = isinstance(kind.__init__, FunctionType)  # not of Python's, which takes what is told
    error = kind(*(signature(kind).parameters if own else ["what is told"]))
    found = pickle.loads(pickle.dumps(error))
    assert (type(found), str(found), vars(found)) == (kind, str(error), vars(error))


def test_there_are_errors() -> None:
    assert {"PrecisionError", "StoreError", "DataError"} <= {name for _, name in RAISED}
