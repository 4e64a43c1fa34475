"""One browser for all tests of pages."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.export.tab import CHROMIUM, QUIET


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET, timeout=0)
        yield running
        running.close()
