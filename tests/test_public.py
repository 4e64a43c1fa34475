"""The public face: ``sm.train`` and what stands beside it."""

import importlib
import inspect
import subprocess
import sys

import pytest

import smidgen as sm

FUNCTIONS = ("design", "evaluate", "export", "load", "load_run", "train")


def test_a_tab_offers_the_public_names() -> None:
    assert set(FUNCTIONS) < set(dir(sm))
    assert {"data", "layers", "methods", "zoo", "Recipe", "Runtime", "NetSpec"} < set(dir(sm))
    assert all(hasattr(sm, name) for name in dir(sm))


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_stays_one_whatever_module_of_its_name_is_imported(name: str) -> None:
    for module in ("design", "export", "train", "evaluate", "export.ship"):
        importlib.import_module(f"smidgen.{module}")
    assert inspect.isfunction(getattr(sm, name))
    assert inspect.getdoc(getattr(sm, name))


def test_the_package_is_imported_without_torch() -> None:
    said = subprocess.run(
        [sys.executable, "-c", "import sys, smidgen; dir(smidgen); print('torch' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.strip() == "False"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'predict_all'"):
        _ = sm.predict_all  # pyright: ignore[reportAttributeAccessIssue]
