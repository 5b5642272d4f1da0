"""Fixtures of pytest: `pytest_plugins = ["pywatt_kafka.testing.fixtures"]` in a conftest.py makes them known."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pywatt_kafka.connection.addresses import BROKERS_VARIABLE
from pywatt_kafka.testing.broker import MemoryBroker, broker


@pytest.fixture
def kafka_broker(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryBroker]:
    """A broker in memory of this test alone; KAFKA_BROKERS is its address, so that clients need none."""
    with broker() as running:
        monkeypatch.setenv(BROKERS_VARIABLE, running.address)
        yield running
