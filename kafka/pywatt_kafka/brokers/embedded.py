"""A broker in memory: librdkafka's mock cluster, which the package confluent-kafka carries.

It speaks the real protocol, but keeps only 5 MB per partition and nothing beyond its own life, creates topics only by
being asked for them, and serves groups of one member best. For trying out; never for load or delivery tests.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

from pywatt_kafka.errors import BrokerFailed, MissingDependency

ANSWER_LIMIT = 10.0  # seconds
RETAINED_BYTES = 5 * 1024 * 1024  # per partition; older records are dropped


class EmbeddedBroker:
    """A broker in this process, on a loopback port of its own choice; a context manager.

    It starts threads: do not fork while one is open.
    """

    def __init__(self, nodes: int = 1) -> None:
        """`nodes`: how many brokers the cluster has, each with a port of its own."""
        self._nodes = nodes
        self._handle: Any = None
        self._address = ""

    @property
    def address(self) -> str:
        """Its `host:port`, with commas between several; empty while it is not running."""
        return self._address

    def __enter__(self) -> Self:
        """Start. Raises MissingDependency and BrokerFailed."""
        try:
            from confluent_kafka import KafkaException, Producer
        except ImportError as error:
            raise MissingDependency(
                "the embedded Kafka broker needs the package confluent-kafka", hint="pip install 'pywatt[embedded]'"
            ) from error
        try:
            # the mock cluster lives as long as the client that made it
            handle = Producer({"test.mock.num.brokers": self._nodes, "bootstrap.servers": "", "log_level": 3})
            brokers = handle.list_topics(timeout=ANSWER_LIMIT).brokers.values()
        except KafkaException as error:
            raise BrokerFailed(f"the embedded Kafka broker did not start: {error}") from error
        self._handle = handle
        self._address = ",".join(f"{broker.host}:{broker.port}" for broker in brokers)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop; everything written is gone."""
        self._handle = None
        self._address = ""
