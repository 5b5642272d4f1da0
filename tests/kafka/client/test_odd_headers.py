"""A header name that is not UTF-8, which Kafka allows, does not stop a consumer."""

from __future__ import annotations

import os
import sys

import anyio
import pytest

from pywatt_kafka import GroupReader, Header
from pywatt_kafka.engine.settings import EngineName

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds
WRITE = """
import asyncio, sys
from aiokafka import AIOKafkaProducer

class Name(str):
    def encode(self, *_):
        return b"x-\\xff"

async def main(broker, topic, compression):
    settings = {"bootstrap_servers": broker, "compression_type": compression or None, "linger_ms": 500}
    async with AIOKafkaProducer(**settings) as producer:
        headers = {b"2": [("x-a", b"1"), (Name(), b"odd"), ("x-b", None)]}
        values = (b"1", b"2", b"3")
        sent = [await producer.send(topic, value, partition=0, headers=headers.get(value)) for value in values]
        await asyncio.gather(*sent)
        await producer.send_and_wait(topic, b"4", partition=0)

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("compression", ["", "gzip"])
@pytest.mark.parametrize(
    ("engine", "headers"),
    [
        ("aiokafka", (("x-a", b"1"), ("x-\ufffd", b"odd"), ("x-b", None))),
        ("rdkafka", ()),  # it has no way to tell
    ],
)
async def test_record_with_such_a_name_is_read(
    broker: str, topic: str, engine: EngineName, headers: tuple[Header, ...], compression: str
) -> None:
    # Only aiokafka's code in Python lets itself be tricked into writing one.
    env = {**os.environ, "AIOKAFKA_NO_EXTENSIONS": "1"}
    await anyio.run_process([sys.executable, "-c", WRITE, broker, topic, compression], env=env)
    found: list[tuple[bytes | None, tuple[Header, ...]]] = []
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=topic, topics=[topic], engine=engine) as consumer:
            while len(found) < 4:
                for messages in (await consumer.fetch(max_records=2)).values():
                    found += [(each.value, each.headers) for each in messages]
    assert found == [(b"1", ()), (b"2", headers), (b"3", ()), (b"4", ())]
