"""Lists topics with their number of records, and creates missing ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from pywatt_kafka.aiokafka.client import bootstrap_errors, client_settings, require_aiokafka
from pywatt_kafka.aiokafka.connect_errors import unreachable
from pywatt_kafka.aiokafka.errors import translate, translated
from pywatt_kafka.aiokafka.sockets import Sockets, close_consumer, complete_shielded
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

LIMIT = 10.0  # seconds
POLL_INTERVAL = 0.05  # seconds between checks of topics that are being created
BROKERS_DEFAULT = -1
"""Number of copies of a topic: the brokers' default (`default.replication.factor`)."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic with its number of partitions and records."""

    name: str
    partitions: int
    records: int
    """Offsets between the beginnings and the ends of its partitions; a compacted topic has fewer records."""


async def list_topics(
    bootstrap_brokers: str | Sequence[str] | None,
    wanted: Callable[[str], bool] = lambda name: not name.startswith("__"),
    *,
    security: Security | None = None,
) -> Sequence[Topic]:
    """Return the topics with a wanted name, sorted by name; by default all but Kafka's internal ones.

    `security`: as for Producer. Raises KafkaUnavailable or another KafkaError.
    """
    require_aiokafka()
    from aiokafka import AIOKafkaConsumer
    from aiokafka import TopicPartition as Native

    addresses = brokers_from(bootstrap_brokers, os.environ)
    consumer: Any = AIOKafkaConsumer(**client_settings(addresses, security_from(security, os.environ)))
    sockets = Sockets(consumer._client)
    try:
        with bootstrap_errors(addresses):
            await sockets.open(consumer.start())
        with translated("reading the list of topics"):
            names = sorted(filter(wanted, await consumer.topics()))
            await consumer._client.set_topics(names)
            places = [Native(name, number) for name in names for number in consumer.partitions_for_topic(name) or ()]
            starts = await consumer.beginning_offsets(places)
            ends = await consumer.end_offsets(places)
    finally:
        await complete_shielded(close_consumer(consumer, sockets))
    return [
        Topic(name, len(own), sum(ends[place] - starts[place] for place in own))
        for name in names
        for own in [[place for place in places if place.topic == name]]
    ]


async def ensure_topics(
    bootstrap_brokers: str | Sequence[str] | None,
    topics: Iterable[str],
    *,
    partitions: int = 1,
    replication: int = BROKERS_DEFAULT,
    timeout: float = LIMIT,
    security: Security | None = None,
) -> frozenset[str]:
    """Create the missing topics; return once all of them can be written to.

    Returns the names of the missing topics. Existing topics are left unchanged. `replication`: copies of each topic, by
    default the brokers' default. The embedded broker creates topics with its own number of partitions. Raises
    KafkaUnavailable, NotAuthorized, UnknownTopic (a name that is not allowed) or another KafkaError within the timeout
    (seconds). `security`: as for Producer.
    """
    require_aiokafka()
    from aiokafka.admin import AIOKafkaAdminClient

    addresses = brokers_from(bootstrap_brokers, os.environ)
    wanted = sorted(set(topics))
    admin: Any = AIOKafkaAdminClient(
        request_timeout_ms=int(timeout * 1000),
        **client_settings(addresses, security_from(security, os.environ)),
    )
    sockets = Sockets(admin._client)
    try:
        with anyio.fail_after(timeout):
            with bootstrap_errors(addresses):
                await sockets.open(admin.start())
            with translated("reading the list of topics"):
                missing = frozenset(wanted) - frozenset(await admin.list_topics())
            if missing:
                await _create(admin, sorted(missing), partitions, replication)
                await _settle(admin, sorted(missing))
            return missing
    except TimeoutError as error:
        raise unreachable(addresses) from error
    finally:
        await complete_shielded(sockets.close())


async def _create(admin: Any, topics: Sequence[str], partitions: int, replication: int) -> None:
    from aiokafka import errors
    from aiokafka.admin import NewTopic

    if admin._client.cluster.controller is None:
        return  # the embedded broker has none: it creates a topic when it is asked for its metadata, as we do next
    with translated(f"creating {', '.join(topics)}"):
        response = await admin.create_topics(
            [
                # aiokafka takes -1 only together with assignments, of which an empty list says nothing
                NewTopic(topic, partitions, replication, {} if replication == BROKERS_DEFAULT else None)
                for topic in topics
            ]
        )
    for topic, code, *detail in response.topic_errors:
        error_type = errors.for_code(code)
        if error_type not in (errors.NoError, errors.TopicAlreadyExistsError):
            raise translate(error_type(*detail), during=f"creating topic {topic}")


async def _settle(admin: Any, topics: Sequence[str]) -> None:
    """Wait until each topic's partitions have a leader."""
    while True:
        with translated("waiting for new topics"):
            described = await admin.describe_topics(list(topics))
        if all(
            topic["error_code"] == 0
            and topic["partitions"]
            and all(part["leader"] >= 0 for part in topic["partitions"])
            for topic in described
        ):
            return
        await anyio.sleep(POLL_INTERVAL)
