"""The lag that a consumer reports, a signal for the number of workers."""

from __future__ import annotations

import anyio
import pytest

from pywatt_kafka import GroupReader, Producer, TopicPartition, ensure_topics
from pywatt_kafka.consuming.group_reader import records_behind
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds
RECORDS = 200


async def test_a_consumer_knows_how_far_it_is_behind(broker: str, topic: str, engine: EngineName) -> None:
    with anyio.fail_after(LONG):
        await ensure_topics(broker, [topic], partitions=2)
        async with Producer(broker) as producer:
            for number in range(RECORDS):
                await producer.send(topic, str(number).encode(), key=str(number).encode())
        assert records_behind() == 0
        async with GroupReader(broker, group=f"{topic}-group", topics=[topic], engine=engine) as consumer:
            taken = 0
            seen: set[TopicPartition] = set()
            while taken < RECORDS:
                batches = await consumer.fetch(timeout=0.2, max_records=30)
                taken += sum(map(len, batches.values()))
                seen |= batches.keys()
                # A partition that nothing was taken from yet is not known to be behind.
                assert taken + consumer.behind <= RECORDS
                assert records_behind() == consumer.behind
                if len(seen) == 2 and taken < RECORDS:
                    assert consumer.behind > 0
            assert consumer.behind == 0
        assert records_behind() == 0
