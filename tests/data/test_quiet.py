"""What `datasets` raises it does not also print, and it speaks again afterwards."""

import logging

import pytest

from smidgen.data.quiet import quiet


def test_errors_are_not_logged_and_the_level_is_put_back() -> None:
    import datasets

    logger = datasets.logging.get_logger("datasets.packaged_modules.parquet")
    assert logger.isEnabledFor(logging.ERROR)
    seen: list[bool] = []

    def failing() -> None:
        with quiet():
            seen.append(logger.isEnabledFor(logging.ERROR))
            raise KeyError

    with pytest.raises(KeyError):
        failing()
    assert seen == [False]
    assert logger.isEnabledFor(logging.ERROR)
