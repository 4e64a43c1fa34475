"""Leave the choice of an implementation as it was found."""

from collections.abc import Iterator

import pytest

from smidgen.kernels.library import forget_choice


@pytest.fixture(autouse=True)
def choose_again(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget the path a test forced, after the environment has been put back."""
    yield
    monkeypatch.undo()
    forget_choice()
