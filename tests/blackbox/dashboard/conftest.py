from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from harness.browser import MISSING, browser


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if MISSING and Path(__file__).parent in item.path.parents and "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser, gone after each module: its event loop is in the way of tests that have one of their own."""
    with browser() as running:
        yield running
