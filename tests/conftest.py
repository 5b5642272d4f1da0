"""Shared by all tests: the anyio backend, and the marker that each folder stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

LAYERS = ("process", "blackbox", "kafka")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    root = Path(__file__).parent
    for item in items:
        layer = item.path.relative_to(root).parts[0]
        if layer in LAYERS:
            item.add_marker(getattr(pytest.mark, layer))
