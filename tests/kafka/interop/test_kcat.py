"""Records between kcat and both engines, both ways: every compression, headers, null, empty and binary keys."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest
from harness.kcat import kcat_program, read_by_kcat, write_by_kcat

from pywatt_kafka import Consumer, Producer, ensure_topics
from pywatt_kafka.consuming.stream_message import StreamMessage
from pywatt_kafka.engine.settings import Compression, EngineName

pytestmark = pytest.mark.anyio

ENGINES = pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])
COMPRESSIONS = pytest.mark.parametrize("compression", [None, "gzip", "snappy", "lz4", "zstd"])
LIMIT = 60.0  # seconds
BINARY = bytes(range(256))
COUNT = 300

Plain = StreamMessage[bytes | None, bytes | None]


@pytest.fixture(autouse=True)
def _needs_kcat() -> None:
    kcat_program()


async def read(broker: str, topic: str, count: int, engine: EngineName) -> Sequence[Plain]:
    messages: list[Plain] = []
    with anyio.fail_after(LIMIT):
        async with Consumer(topic, broker, topics=[topic], engine=engine) as consumer:
            async for message in consumer:
                messages.append(message)
                if len(messages) == count:
                    await message.commit()
                    break
    return messages


@ENGINES
@COMPRESSIONS
async def test_kcat_reads_what_we_write(
    broker: str, topic: str, engine: EngineName, compression: Compression | None
) -> None:
    async with Producer(broker, compression=compression, linger_ms=5, engine=engine) as producer:
        await producer.send(topic, BINARY, key=BINARY, headers=[("a", b"1"), ("b", b"\xff"), ("a", b"2")], partition=0)
        await producer.send(topic, None, key=b"deleted", partition=0)
        await producer.send(topic, b"", key=b"", partition=0)
        await producer.send(topic, b"no key", partition=0)
        values = [b"%d " % number * 20 for number in range(COUNT)]
        await asyncio.gather(*(producer.send(topic, value, partition=0) for value in values))
    binary, deleted, empty, keyless, *rest = await read_by_kcat(broker, topic)
    assert (binary.key, binary.value, binary.headers) == (BINARY, BINARY, b"a=1,b=\xff,a=2")
    assert (deleted.key, deleted.value) == (b"deleted", None)
    assert (empty.key, empty.value) == (b"", b"")
    assert (keyless.key, keyless.value) == (None, b"no key")
    assert [record.value for record in rest] == values
    assert [record.offset for record in rest] == list(range(4, 4 + COUNT))


@ENGINES
@COMPRESSIONS
async def test_we_read_what_kcat_writes(
    broker: str, topic: str, tmp_path: Path, engine: EngineName, compression: Compression | None
) -> None:
    await ensure_topics(broker, [topic])
    file = tmp_path / "binary"
    file.write_bytes(BINARY)
    await write_by_kcat(
        broker, topic, file, key=BINARY[1:], headers={"a": "1", "b": "ë"}, compression=compression
    )  # an argument holds no zero byte
    await write_by_kcat(broker, topic, lines=b"deleted:\n", options=["-K:", "-Z"], compression=compression)
    await write_by_kcat(broker, topic, lines=b"empty:\n", options=["-K:"], compression=compression)
    lines = [b"%d " % number * 20 for number in range(COUNT)]
    await write_by_kcat(broker, topic, lines=b"\n".join(lines), compression=compression)
    binary, deleted, empty, *rest = await read(broker, topic, 3 + COUNT, engine)
    assert (binary.key, binary.value) == (BINARY[1:], BINARY)
    assert binary.headers == (("a", b"1"), ("b", "ë".encode()))
    assert (deleted.key, deleted.value) == (b"deleted", None)
    assert (empty.key, empty.value) == (b"empty", b"")
    assert {(message.key, message.headers) for message in rest} == {(None, ())}
    assert [message.value for message in rest] == lines


@ENGINES
async def test_keys_go_to_the_partitions_that_kcat_finds_them_in(broker: str, topic: str, engine: EngineName) -> None:
    """kcat is told to hash keys as Kafka's Java client does."""
    await ensure_topics(broker, [topic], partitions=7)
    keys = [b"key-%d" % number for number in range(100)]
    async with Producer(broker, engine=engine) as producer:
        ours = {key: (await producer.send(topic, b"ours", key=key)).partition for key in keys}
    lines = b"\n".join(key + b":theirs" for key in keys)
    await write_by_kcat(broker, topic, lines=lines, options=["-K:", "-X", "topic.partitioner=murmur2_random"])
    found = await read_by_kcat(broker, topic)
    assert {record.key: record.partition for record in found if record.value == b"theirs"} == ours
    assert len(found) == 200
