"""The embedded broker as a context manager for tests; any number may run at once in a process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pywatt_kafka.brokers.embedded import EmbeddedBroker
from pywatt_kafka.connection.addresses import embedded_at


class MemoryBroker:
    """A running broker in this process, which speaks the real protocol on a loopback port of its own."""

    def __init__(self, embedded: EmbeddedBroker) -> None:
        self._embedded = embedded

    @property
    def address(self) -> str:
        """The `host:port` of each node, separated by commas: the `bootstrap_brokers` of clients."""
        return self._embedded.address

    def create_topic(self, name: str, partitions: int = 1) -> None:
        """Create a topic; one that a client asks for is created by itself, with four partitions.

        Raises BrokerFailed if the topic exists.
        """
        self._embedded.create_topic(name, partitions)

    @contextmanager
    def away(self) -> Iterator[None]:
        """Close all connections and accept none until the block ends; records and offsets stay."""
        self._embedded.disconnect()
        try:
            yield
        finally:
            self._embedded.accept()


@contextmanager
def broker(nodes: int = 1) -> Iterator[MemoryBroker]:
    """Run a broker in memory; all its records are gone when the block ends.

        with broker() as kafka:
            async with Producer(kafka.address) as producer:
                ...

    `nodes`: number of brokers in its cluster. Raises MissingDependency without the package confluent-kafka, and
    BrokerFailed. It has threads: do not fork inside the block.
    """
    with EmbeddedBroker(nodes) as embedded, embedded_at(embedded.address):
        yield MemoryBroker(embedded)
