"""Real Kafka brokers on loopback; without Java or the jars these tests are skipped, with the reason."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator

import pytest

from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.brokers.jars import DEFAULT_VERSION, kafka_jars, versions
from pywatt_kafka.brokers.java import find_java
from pywatt_kafka.errors import BrokerFailed, MissingDependency

QUICK = {"group.min.session.timeout.ms": "1000"}
"""Settings of the shared broker beside its own: members that end without a word are missed soon."""
FETCH_AND_START = 300  # seconds; the first test of a session may have to fetch the jars


@pytest.fixture(scope="session")
def kafka_at_hand() -> None:
    """Requires Java and Kafka's jars, present or downloadable."""
    try:
        find_java(os.environ)
        kafka_jars(DEFAULT_VERSION, os.environ)
    except (MissingDependency, BrokerFailed) as error:
        pytest.skip(f"no real Kafka broker: {error.message} ({error.hint})")


@pytest.fixture(scope="session")
def broker(kafka_at_hand: None) -> Iterator[str]:
    """The address of the broker that all tests of this process share."""
    with RealBroker(properties=QUICK) as running:
        yield running.address


@pytest.fixture(scope="session")
def broker_4_2(kafka_at_hand: None) -> Iterator[str]:
    """The address of a Kafka 4.2 broker with share groups, started when the first test asks for it."""
    try:
        kafka_jars("4.2", os.environ)
    except (MissingDependency, BrokerFailed) as error:
        pytest.skip(f"no Kafka 4.2: {error.message} ({error.hint})")
    with RealBroker(version="4.2", properties=QUICK) as running:
        yield running.address


@pytest.fixture(params=versions())
def each_broker(request: pytest.FixtureRequest) -> str:
    """The address of a shared broker, for a test that runs once on each version of Kafka."""
    address: str = request.getfixturevalue("broker" if request.param == DEFAULT_VERSION else "broker_4_2")
    return address


@pytest.fixture(scope="session")
def _mortal_broker(kafka_at_hand: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealBroker]:
    with RealBroker(tmp_path_factory.mktemp("kafka") / "mortal", properties=QUICK) as running:
        yield running


@pytest.fixture
def own_broker(_mortal_broker: RealBroker) -> RealBroker:
    """A running broker that a test may kill and start again; all of them use the same one, one after the other."""
    if _mortal_broker.pid is None:
        _mortal_broker.start()
    return _mortal_broker


@pytest.fixture
def topics(request: pytest.FixtureRequest) -> Callable[[], str]:
    """Generates unique names."""
    numbers = itertools.count()
    node = abs(hash(request.node.nodeid))
    return lambda: f"t-{os.getpid()}-{node:x}-{next(numbers)}"


@pytest.fixture
def topic(topics: Callable[[], str]) -> str:
    """A unique name."""
    return topics()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "kafka" in item.path.parts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(FETCH_AND_START))
