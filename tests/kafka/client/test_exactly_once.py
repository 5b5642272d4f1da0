"""Consume, transform, produce: workers that are killed in the middle of transactions, and each record exactly once."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from random import Random

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from pywatt_kafka import GroupReader, Producer, ensure_topics
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 120.0  # seconds
RECORDS = 200
KILLS = int(os.environ.get("PYWATT_KILLS", "3"))

WORKER = """
import asyncio, sys
from pywatt_kafka import Consumer, Producer

async def main(broker, source, sink, engine):
    async with (
        Producer(broker, transactional_id=sink, engine=engine) as producer,
        Consumer(f"group-{source}", broker, instance_id="one", engine=engine) as consumer,
    ):
        await producer.wait_connected()  # which ends the transaction of its predecessor
        stream = await consumer.consume(topics=[source])
        async for batch in stream.batches(7, 0.2):
            async with producer.transaction(batch):
                for message in batch:
                    await producer.send(sink, b"of " + message.value)
                    print("sent", flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_workers_that_are_killed_repeat_and_lose_nothing(
    broker: str, topics: Callable[[], str], engine: EngineName
) -> None:
    source, sink = topics(), topics()
    await ensure_topics(broker, [source, sink])
    async with Producer(broker) as producer:
        await producer.send(messages=[{"topic": source, "value": b"%d" % number} for number in range(RECORDS)])
    random = Random(engine)
    command = [sys.executable, "-c", WORKER, broker, source, sink, engine]
    with anyio.fail_after(LONG):
        for _ in range(KILLS):
            async with await anyio.open_process(command, stderr=None) as worker:
                assert worker.stdout is not None
                lines = BufferedByteReceiveStream(worker.stdout)
                for _ in range(random.randint(1, 40)):
                    await lines.receive_until(b"\n", 100)
                worker.kill()
        async with await anyio.open_process(command, stderr=None) as worker:
            values: list[bytes | None] = []
            async with GroupReader(broker, group=f"reader-{sink}", topics=[sink]) as reader:
                async for message in reader:
                    values.append(message.value)
                    if message.value == b"of %d" % (RECORDS - 1):
                        break
            worker.kill()
    assert values == [b"of %d" % number for number in range(RECORDS)]
