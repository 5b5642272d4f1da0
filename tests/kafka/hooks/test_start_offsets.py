"""Start positions of reading, and the records read from there, on a real broker, with both engines."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.lowlevel
import pytest
from confluent_kafka import Producer as NativeProducer
from harness.hooks import LONG, RunHooks, Target

from pywatt_kafka import Admin, LagReader, Producer, ensure_topics

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]


def document(broker: str, topic: str, **consumer: Any) -> dict[str, Any]:
    return {
        "brokers": [broker],
        "topics": [{"topic": topic, "url": "http://api.plt.local/hook"}],
        "consumer": {"groupId": f"group-{topic}", **consumer},
    }


def bodies(target: Target) -> list[bytes]:
    return [request.body for request in target.requests]


async def test_reading_begins_at_the_given_offset_once(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    for number in range(4):
        await producer.send(topic, b"%d" % number, key=b"k")
    offsets = [{"topic": topic, "partition": 0, "offset": 2}]
    config = document(broker, topic, mode="manual", offsets=offsets, heartbeatInterval=500, maxWaitTime=100)
    async with run_hooks(config):
        await target.wait_for(lambda requests: len(requests) == 2)
    async with run_hooks(config):
        await producer.send(topic, b"4", key=b"k")
        await target.wait_for(lambda requests: len(requests) >= 3)
    assert bodies(target) == [b"2", b"3", b"4"]


async def test_partition_without_an_offset_is_not_read_but_named(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    await ensure_topics(broker, [topic], partitions=2)
    await producer.send(topic, b"a", key=b"k", partition=0)
    offsets = [{"topic": topic, "partition": 1, "offset": 0}]
    async with run_hooks(document(broker, topic, mode="manual", offsets=offsets, fallbackMode="fail")) as hooks:
        await producer.send(topic, b"b", key=b"k", partition=1)
        await target.wait_for(lambda requests: len(requests) == 1)
        assert bodies(target) == [b"b"]
        assert hooks.reasons[-1] is not None
        assert f"{topic}[0]: not read" in hooks.reasons[-1]
    async with run_hooks(document(broker, topic, fallbackMode="earliest")) as hooks:
        await target.wait_for(lambda requests: len(requests) == 2)
        assert bodies(target) == [b"b", b"a"]
        assert not hooks.reasons or hooks.reasons[-1] is None


async def test_latest_loses_nothing_of_partitions_that_are_added_while_it_is_stopped(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    await producer.send(topic, b"old", key=b"k")
    config = document(broker, topic, mode="latest")
    async with run_hooks(config), LagReader(broker) as reader:
        with anyio.fail_after(LONG):
            while not (await reader.measure(f"group-{topic}")).partitions:  # it has begun
                await anyio.lowlevel.checkpoint()
    async with Admin(broker) as admin:
        await admin.create_partitions(topic, 2)
    async with Producer(broker) as fresh:
        await fresh.send(topic, b"first record", key=b"k", partition=1)
    async with run_hooks(config):
        await target.wait_for(lambda requests: bool(requests))
    assert bodies(target) == [b"first record"]


def write(broker: str, topic: str) -> None:
    """Write a transaction that is aborted, then one that is committed."""
    native = NativeProducer({"bootstrap.servers": broker, "transactional.id": topic})
    native.init_transactions(LONG)
    for value, end in ((b"aborted", native.abort_transaction), (b"committed", native.commit_transaction)):
        native.begin_transaction()
        native.produce(topic, value, key=b"k")
        native.flush(LONG)
        end(LONG)


@pytest.mark.parametrize(
    ("consumer", "expected"),
    [
        ({}, [b"committed", b"last"]),
        ({"isolationLevel": "READ_UNCOMMITTED"}, [b"aborted", b"committed", b"last"]),
    ],
)
async def test_what_was_aborted_is_read_only_if_that_is_wished(
    broker: str,
    topic: str,
    run_hooks: RunHooks,
    target: Target,
    producer: Producer,
    consumer: dict[str, Any],
    expected: list[bytes],
) -> None:
    await ensure_topics(broker, [topic])
    await anyio.to_thread.run_sync(write, broker, topic)
    await producer.send(topic, b"last", key=b"k")
    async with run_hooks(document(broker, topic, minBytes=1, maxBytes=1000, **consumer)):
        await target.wait_for(lambda requests: any(request.body == b"last" for request in requests))
    assert bodies(target) == expected
