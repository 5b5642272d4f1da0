"""Kafka's own VerifiableProducer and VerifiableConsumer against both engines: all acknowledged records, in order."""

from __future__ import annotations

import asyncio
import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import anyio
import pytest
from harness.kafka_tools import run_tool

from pywatt_kafka import Consumer, Producer, ensure_topics
from pywatt_kafka.engine.settings import EngineName

pytestmark = pytest.mark.anyio

ENGINES = pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])
COUNT = int(os.environ.get("PYWATT_VERIFIABLE_RECORDS", "5000"))
KEYS = 10
PARTITIONS = 3
LIMIT = 60.0 + COUNT / 1000  # seconds

Places = Mapping[tuple[int, int], str]
"""Values by partition and offset."""


def events(output: str, name: str) -> Sequence[Mapping[str, Any]]:
    """Return the events of a name that a tool has printed, in order."""
    found = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [event for event in found if event["name"] == name]


def assert_in_order(values: Mapping[str, Sequence[int]]) -> None:
    """Check that the values of each key, or partition, rise."""
    for name, numbers in values.items():
        assert list(numbers) == sorted(set(numbers)), f"{name} is out of order, or has duplicates"


@ENGINES
async def test_we_read_all_that_the_producer_of_kafka_has_acknowledged(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic], partitions=PARTITIONS)
    seen: dict[tuple[int, int], str] = {}
    by_key: dict[str, list[int]] = defaultdict(list)

    async def read() -> None:
        async with Consumer(topic, broker, topics=[topic], engine=engine) as consumer:
            async for message in consumer:
                assert message.value is not None
                assert message.key is not None
                seen[message.partition, message.offset] = message.value.decode()
                by_key[message.key.decode()].append(int(message.value))
                if len(seen) % 100 == 0 or len(seen) == COUNT:
                    await message.commit()
                if len(seen) == COUNT:
                    return

    with anyio.fail_after(LIMIT):
        reading = asyncio.ensure_future(read())
        output = await run_tool(
            "VerifiableProducer",
            *("--bootstrap-server", broker, "--topic", topic, "--acks", "-1"),
            *("--max-messages", str(COUNT), "--repeating-keys", str(KEYS)),
        )
        acknowledged: Places = {
            (event["partition"], event["offset"]): event["value"] for event in events(output, "producer_send_success")
        }
        assert len(acknowledged) == COUNT
        await reading
    assert seen == acknowledged
    assert len(by_key) == KEYS
    assert_in_order(by_key)


@ENGINES
async def test_the_consumer_of_kafka_reads_all_that_we_were_acknowledged(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic], partitions=PARTITIONS)
    with anyio.fail_after(LIMIT):
        async with Producer(broker, engine=engine) as producer:
            positions = await asyncio.gather(
                *(producer.send(topic, b"%d" % number, key=b"%d" % (number % KEYS)) for number in range(COUNT))
            )
        output = await run_tool(
            "VerifiableConsumer",
            *("--bootstrap-server", broker, "--topic", topic, "--group-id", topic, "--verbose"),
            *("--max-messages", str(COUNT), "--reset-policy", "earliest"),
        )
    read = events(output, "record_data")
    places: Places = {(event["partition"], event["offset"]): event["value"] for event in read}
    acknowledged = {(place.partition, place.offset): str(number) for number, place in enumerate(positions)}
    assert places == acknowledged
    by_key: dict[str, list[int]] = defaultdict(list)
    for event in read:
        by_key[event["key"]].append(int(event["value"]))
    assert len(by_key) == KEYS
    assert_in_order(by_key)
