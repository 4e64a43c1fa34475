"""Leave the choice of an implementation as it was found."""

from collections.abc import Generator, Iterator
from contextlib import contextmanager

import pytest

from smidgen.kernels.library import forget_choice


@pytest.fixture(autouse=True)
def choose_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the path a test forced, after the environment has been put back."""
    yield
    monkeypatch.undo()
    forget_choice()


@contextmanager
def running(path: str) -> Generator[None]:
    """Compute with the operations of a path, or of torch, inside the block."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SMIDGEN_KERNELS", path)
        forget_choice()
        yield
    forget_choice()
