"""Settings shared by every test."""

import os

import pytest
import torch
from hypothesis import HealthCheck, settings

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
