"""librdkafka's options can be set, those that cannot work are refused at once, and groups may cooperate."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import anyio
import pytest

from pywatt_kafka import Consumer, GroupReader, KafkaError, Producer, TopicPartition, ensure_topics

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"no.such.option": 1}, 'No such configuration property: "no.such.option"'),
        ({"acks": "1"}, "contradicts a keyword"),
        ({"bootstrap.servers": "a:1"}, "contradicts a keyword"),
        ({"max.in.flight": 100}, "max.in.flight"),
        ({"error_cb": print}, "is set by pywatt_kafka itself"),
        ({"oauth_cb": print}, "is set by pywatt_kafka itself"),
        ({"stats_cb": "print"}, "'stats_cb' is 'print'"),
    ],
)
def test_options_that_a_producer_cannot_have(options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(KafkaError, match=words) as refused:
        Producer("a:1", engine="rdkafka", options=options)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"no.such.option": 1}, 'No such configuration property: "no.such.option"'),
        ({"group.id": "other"}, "contradicts a keyword"),
        ({"enable.auto.commit": True}, "is set by pywatt_kafka itself"),
        ({"partition.assignment.strategy": "best"}, "partition.assignment.strategy"),
    ],
)
def test_options_that_a_consumer_cannot_have(options: Mapping[str, Any], words: str) -> None:
    with pytest.raises(KafkaError, match=words):
        GroupReader("a:1", group="g", topics=["orders"], engine="rdkafka", options=options)


def test_options_and_protocols_are_not_for_the_other_engine() -> None:
    with pytest.raises(KafkaError, match="are librdkafka's"):
        Producer("a:1", options={"linger.ms": 5})
    with pytest.raises(KafkaError, match="are librdkafka's"):
        GroupReader("a:1", group="g", topics=["orders"], options={"debug": "cgrp"})
    with pytest.raises(KafkaError, match='no protocol "consumer"'):
        GroupReader("a:1", group="g", topics=["orders"], protocol="consumer")


async def test_options_have_their_effect(broker: str, topic: str) -> None:
    """One partition for 15 minutes, and another one for each record."""
    await ensure_topics(broker, [topic], partitions=4)
    assert len(await _partitions_of_50(broker, topic, {"sticky.partitioning.linger.ms": 900_000})) == 1
    assert len(await _partitions_of_50(broker, topic, {"sticky.partitioning.linger.ms": 0})) > 1


@pytest.mark.parametrize("fails", [False, True])
async def test_statistics_are_told_and_cannot_break_the_client(
    broker: str, topic: str, fails: bool, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[str] = []

    def note(statistics: str) -> None:
        seen.append(json.loads(statistics)["type"])
        if fails:
            raise ValueError("no")

    options = {"statistics.interval.ms": 20, "stats_cb": note}
    async with (
        Producer(broker, engine="rdkafka", options=options) as producer,
        Consumer(topic, broker, topics=[topic], engine="rdkafka", options=options) as consumer,
    ):
        with anyio.fail_after(LONG):
            while set(seen) != {"producer", "consumer"}:
                await producer.send(topic, b"x")
                await anext(aiter(consumer))
    assert ("'stats_cb' failed" in caplog.text) is fails


async def _partitions_of_50(broker: str, topic: str, options: Mapping[str, Any]) -> set[int]:
    async with Producer(broker, engine="rdkafka", options=options) as producer:
        await producer.send(topic, b"x")  # librdkafka sticks to a partition when it is connected to its leader
        positions = await asyncio.gather(*(producer.send(topic, b"x") for _ in range(50)))
    return {position.partition for position in positions}


class Changes:
    """A listener that records what a rebalance adds and takes away."""

    def __init__(self) -> None:
        self.log: list[tuple[str, frozenset[TopicPartition]]] = []
        self.changed = asyncio.Event()

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self._note("assigned", partitions)

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self._note("revoked", partitions)

    def _note(self, what: str, partitions: frozenset[TopicPartition]) -> None:
        if partitions:
            self.log.append((what, partitions))
        self.changed.set()


async def until(reader: GroupReader, changes: Changes, count: int) -> None:
    while len(reader.assignment) != count:
        changes.changed.clear()
        if len(reader.assignment) != count:
            with anyio.move_on_after(0.1):
                await changes.changed.wait()


async def test_cooperative_members_keep_what_does_not_move(broker: str, topic: str) -> None:
    options = {"partition.assignment.strategy": "cooperative-sticky"}
    await _only_what_moves_is_revoked(broker, topic, {"options": options})


async def test_members_of_the_consumer_protocol_keep_what_does_not_move(broker_4_2: str, topic: str) -> None:
    """KIP-848, where the broker assigns."""
    await _only_what_moves_is_revoked(broker_4_2, topic, {"protocol": "consumer"})


async def test_brokers_that_do_not_serve_the_consumer_protocol_are_named(broker: str, topic: str) -> None:
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=topic, topics=[topic], engine="rdkafka", protocol="consumer") as reader:
            while "do not serve the group protocol" not in reader.status.reason:
                await reader.fetch(timeout=0.1)


async def _only_what_moves_is_revoked(broker: str, topic: str, keywords: Mapping[str, Any]) -> None:
    await ensure_topics(broker, [topic], partitions=4)
    first, second = Changes(), Changes()
    member: Any = {"group": topic, "topics": [topic], "engine": "rdkafka", **keywords}
    async with Producer(broker, engine="rdkafka") as producer:
        with anyio.fail_after(LONG):
            async with GroupReader(broker, listener=first, **member) as stays:
                await until(stays, first, 4)
                async with GroupReader(broker, listener=second, **member) as leaves:
                    await until(leaves, second, 2)
                    await until(stays, first, 2)
                    assert not stays.assignment & leaves.assignment
                    await asyncio.gather(
                        *(producer.send(topic, b"%d" % number, partition=number % 4) for number in range(40))
                    )
                    found: list[bytes | None] = []
                    while len(found) < 40:
                        for reader in (stays, leaves):
                            for messages in (await reader.fetch(timeout=0.1)).values():
                                found.extend(message.value for message in messages)
                    assert sorted(found, key=lambda value: int(value or b"")) == [b"%d" % n for n in range(40)]
                await until(stays, first, 4)
    revoked = [partitions for what, partitions in first.log if what == "revoked"]
    assert [len(partitions) for partitions in revoked] == [2, 4]  # what moved, and all at its end
    assert [what for what, _ in second.log] == ["assigned", "revoked"]


async def test_auto_falls_back_to_the_classic_protocol(broker: str, topic: str) -> None:
    await ensure_topics(broker, [topic])
    async with Producer(broker) as producer:
        await producer.send(topic, b"x")
    with anyio.fail_after(LONG):
        async with Consumer(topic, broker, topics=[topic], engine="rdkafka", protocol="auto") as consumer:
            async for message in consumer:
                await message.commit()
                assert message.value == b"x"
                break
