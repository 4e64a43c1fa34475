"""Settings shared by every test."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import jaxtyping
import pytest
import torch
from hypothesis import HealthCheck, settings
from jaxtyping import AbstractArray, install_import_hook, jaxtyped

SOURCE = Path(__file__).parents[1] / "src"


def shaped() -> list[str]:
    """Return the modules in whose signatures shapes may stand, by name."""
    names = {
        ".".join(path.relative_to(SOURCE).with_suffix("").parts)
        for path in (SOURCE / "smidgen").rglob("*.py")
        if re.search(r"^ *from (jaxtyping|smidgen\.tensors) import", path.read_text(), re.MULTILINE)
    }
    return sorted(name.removesuffix(".__init__") for name in names)


def has_shape(annotation: Any) -> bool:
    """Return whether a shape stands in an annotation; of one in quotes, whether it may."""
    if isinstance(annotation, str):
        return "Tensor" in annotation or "[" in annotation
    shaped = isinstance(annotation, type) and issubclass(annotation, AbstractArray)
    return shaped or any(map(has_shape, get_args(annotation)))


def where_shaped(*, typechecker: Any) -> Callable[[Any], Any]:
    """Return jaxtyping's decorator, which leaves alone what has no shape in its signature."""
    checked = jaxtyped(typechecker=typechecker)

    def decorate(of: Any) -> Any:
        annotations = getattr(of.__init__ if isinstance(of, type) else of, "__annotations__", {})
        return checked(of) if any(map(has_shape, annotations.values())) else of

    return decorate


# Shapes are checked in every call. To decorate all else as well, whose types are proved without
# running them, takes longer than what the tests compute.
jaxtyping.jaxtyped = where_shaped
install_import_hook(shaped(), "beartype.beartype")
torch.set_num_threads(1)
# On a busy machine anything is slow, and no fault.
settings.register_profile("base", deadline=None, suppress_health_check=[HealthCheck.too_slow])
BASE = settings.get_profile("base")
settings.register_profile("dev", BASE, max_examples=25)
settings.register_profile("ci", BASE, max_examples=25, derandomize=True)
settings.register_profile("long", BASE, max_examples=200)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


@pytest.fixture(scope="session", autouse=True)
def _operations_are_measured() -> None:  # pyright: ignore[reportUnusedFunction]
    """Choose operations before a test gives this process another folder for its cache.

    Workers of a study read the usual one; chosen there by other timings, bits would differ.
    """
    from smidgen.runtime import choose

    choose()


@pytest.fixture(scope="session", autouse=True)
def usual_round() -> Iterator[float]:
    """Let rounds of a measured latency take a millisecond; return their usual seconds."""
    from smidgen.evaluate import cost

    with pytest.MonkeyPatch.context() as patch:
        usual = cost._SECONDS
        patch.setattr(cost, "_SECONDS", 0.001)
        yield usual


@pytest.fixture(scope="session", autouse=True)
def usual_loss() -> Iterator[float]:
    """Let int8 lose what it may without being finished; return the usual bound.

    A net of a few epochs loses more than a trained one, and to finish it at every export would
    take longer than all else of these tests.
    """
    from smidgen.export.int8 import finish

    with pytest.MonkeyPatch.context() as patch:
        usual = finish.NOTEWORTHY
        patch.setattr(finish, "NOTEWORTHY", 1.0)
        yield usual


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Return the one browser of a process: playwright takes no second one beside it."""
    from tests.export.tab import CHROMIUM, QUIET

    if not Path(CHROMIUM).exists():
        pytest.skip(f"needs Debian's chromium at {CHROMIUM}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=0)
        yield running
        running.close()
