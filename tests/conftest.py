"""Settings shared by every test."""

import os

import pytest
import torch
from hypothesis import settings

torch.set_num_threads(1)
settings.register_profile("dev", max_examples=25, deadline=None)
settings.register_profile("ci", max_examples=25, deadline=None, derandomize=True)
settings.register_profile("long", max_examples=200, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "dev"))


@pytest.fixture(scope="session", autouse=True)
def _operations_are_measured() -> None:  # pyright: ignore[reportUnusedFunction]
    """Choose operations before a test gives this process another folder for its cache.

    Workers of a study read the usual one; chosen there by other timings, bits would differ.
    """
    from smidgen.runtime import choose

    choose()
