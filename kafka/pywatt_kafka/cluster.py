"""What a cluster has: its topics, and how many records are in them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pywatt_kafka.addresses import brokers_from
from pywatt_kafka.engine import opening, require_aiokafka, translated
from pywatt_kafka.security import Security, security_from
from pywatt_kafka.sockets import Sockets, close_consumer, to_the_end


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic."""

    name: str
    partitions: int
    records: int
    """Offsets from its beginnings to its ends; fewer where it was compacted."""


async def list_topics(
    brokers: str | Sequence[str] | None,
    wanted: Callable[[str], bool] = lambda name: not name.startswith("__"),
    *,
    security: Security | None = None,
) -> Sequence[Topic]:
    """Return the topics whose names are wanted, in the order of their names; Kafka's own are left out by default.

    `security`: as for Producer. Raises KafkaUnavailable or another KafkaError.
    """
    require_aiokafka()
    from aiokafka import AIOKafkaConsumer
    from aiokafka import TopicPartition as Native

    addresses = brokers_from(brokers, os.environ)
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=",".join(addresses), **security_from(security, os.environ).settings()
    )
    sockets = Sockets(consumer._client)
    try:
        with opening(addresses):
            await sockets.open(consumer.start())
        with translated("reading the list of topics"):
            names = sorted(filter(wanted, await consumer.topics()))
            await consumer._client.set_topics(names)
            places = [Native(name, number) for name in names for number in consumer.partitions_for_topic(name) or ()]
            starts = await consumer.beginning_offsets(places)
            ends = await consumer.end_offsets(places)
    finally:
        await to_the_end(close_consumer(consumer, sockets))
    return [
        Topic(name, len(own), sum(ends[place] - starts[place] for place in own))
        for name in names
        for own in [[place for place in places if place.topic == name]]
    ]
