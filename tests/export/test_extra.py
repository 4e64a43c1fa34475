"""A missing package is named once, with what installs it; a broken one with why it fails."""

import importlib

import pytest

from smidgen.export.extra import needed
from smidgen.export.onnx import _require


def test_a_package_that_is_not_there_is_named_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(importlib, "import_module", absent)
    with pytest.raises(ValueError, match=r"^ONNX needs the package onnx: pip install '.*'$"):
        _require("onnx")


def test_a_package_that_fails_says_why() -> None:
    broken = ImportError("libonnx.so: cannot open", name="onnx")
    assert str(needed("ONNX", "onnx", broken)).endswith(
        "'smidgen[export]' (libonnx.so: cannot open)"
    )
    beneath = ModuleNotFoundError("No module named 'ml_dtypes'", name="ml_dtypes")
    assert str(needed("ONNX", "onnx", beneath)).endswith("(No module named 'ml_dtypes')")
