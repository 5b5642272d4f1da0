"""Requests for metadata end early when the brokers refuse the client; otherwise they use their whole limit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from confluent_kafka import KafkaError as Native
from confluent_kafka import KafkaException

from pywatt_kafka.errors import KafkaUnavailable, NotAuthorized
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.metadata import topics_of_cluster
from pywatt_kafka.rdkafka.settings.client import CHECK_LIMIT

pytestmark = pytest.mark.anyio

METADATA = SimpleNamespace(cluster_id=None)


class Cluster:
    def __init__(self, answers_at: int | None = None) -> None:
        self.health = ClientHealth(["a:1"])
        self.limits: list[float] = []
        self.answers_at = answers_at
        self.refuses = False

    async def ask(self, limit: float) -> Any:
        self.limits.append(limit)
        if len(self.limits) == self.answers_at:
            return METADATA
        if self.refuses:
            self.health.report(Native(Native._AUTHENTICATION, "wrong password"))
        raise KafkaException(Native(Native._TRANSPORT))


async def test_a_refusal_ends_it_after_the_first_request() -> None:
    cluster = Cluster()
    cluster.refuses = True
    with pytest.raises(NotAuthorized, match="wrong password"):
        await topics_of_cluster(cluster.ask, cluster.health)
    assert len(cluster.limits) == 1
    assert cluster.limits[0] < 0.5


async def test_what_can_pass_gets_the_whole_limit() -> None:
    cluster = Cluster()
    with pytest.raises(KafkaUnavailable):
        await topics_of_cluster(cluster.ask, cluster.health)
    assert sum(cluster.limits) == CHECK_LIMIT


async def test_a_connection_that_is_lost_during_the_login_is_no_refusal() -> None:
    health = ClientHealth(["a:1"])
    lost = "sasl_plaintext://a:1/1: SASL handshake failed: Local: Broker transport failure: (after 0ms in state DOWN)"
    health.report(Native(Native._AUTHENTICATION, lost))
    assert health.refusal is None
    assert isinstance(health.unreachable(), KafkaUnavailable)


async def test_an_answer_clears_what_was_reported() -> None:
    cluster = Cluster(answers_at=3)
    assert await topics_of_cluster(cluster.ask, cluster.health) is METADATA
    cluster.health.report(Native(Native._AUTHENTICATION, "wrong password"))
    cluster.health.answered()
    assert cluster.health.refusal is None
