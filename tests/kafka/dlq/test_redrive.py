"""Redriving letters on a real broker: their order, and records that their letters lack."""

from __future__ import annotations

import random
from collections.abc import Sequence

import anyio
import pytest

from pywatt_kafka import GroupReader, Message, Producer, ensure_topics
from pywatt_kafka.dlq import topic as topic_module
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_kafka.dlq.redrive_headers import ORIGINAL_ID, TARGET
from pywatt_kafka.dlq.topic import open_dead_letter_topic
from pywatt_services.kafka_hooks.delivering.dead_letter import dead_letter
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.target_name import TargetName

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds
NAME = TargetName("http://api.plt.local/hook", 0xABC)


def letter_for(message: Message, *, now: float = 0.0, whole: bool = True) -> bytes:
    failure = Attempt(number=1, requested_at=0, status=500)
    return dead_letter(message, [failure], DeadLetterFormat.ORIGINAL, attempts=1, now=now, target=NAME, whole=whole)


async def read(broker: str, topic: str, count: int) -> Sequence[Message]:
    found: list[Message] = []
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=f"reader-{topic}", topics=[topic]) as consumer:
            while len(found) < count:
                for messages in (await consumer.fetch(timeout=1.0, max_records=count)).values():
                    found += messages
    return found


@pytest.mark.parametrize("kept", [topic_module.KEPT_BYTES, 0])
async def test_records_go_back_in_the_order_of_their_origin(
    broker: str, topic: str, kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_module, "KEPT_BYTES", kept)
    dlq = f"{topic}-dlq"
    await ensure_topics(broker, [dlq], partitions=3)
    await ensure_topics(broker, [topic], partitions=2)
    chance = random.Random(7)
    count = 150
    async with Producer(broker) as producer:
        for number in chance.sample(range(count), count):  # as letters lay that were spread by chance
            key = None if number % 2 else b"k%d" % (number % 6)
            message = Message(topic, 1 if key is None else 0, number, key, b"%d" % number, (), 0)
            await producer.send(dlq, letter_for(message, now=chance.random()), partition=chance.randrange(3))
    async with open_dead_letter_topic(broker, dlq) as dead_letters:
        outcome = await dead_letters.redrive(Filter())
        assert (outcome.redriven, outcome.failed) == (count, 0)
    found = await read(broker, topic, count)
    for key in (b"k0", b"k2", b"k4", None):
        numbers = [int(message.value or b"") for message in found if message.key == key]
        assert numbers == sorted(numbers)
        assert numbers
    assert {message.partition for message in found if message.key is None} == {1}, "where they come from"
    for message in found:
        id_ = f"{topic}-{1 if message.key is None else 0}-{int(message.value or b'')}"
        assert message.headers == ((ORIGINAL_ID, id_.encode()), (TARGET, b"00000abc"))


async def test_a_record_that_its_letter_lacks_is_read_where_it_comes_from(broker: str, topic: str) -> None:
    dlq, other = f"{topic}-dlq", f"{topic}-other"
    await ensure_topics(broker, [dlq, topic, other])
    value = b"v" * 900_000
    async with Producer(broker) as producer:
        place = await producer.send(topic, value, key=b"k", headers=[("h", b"v")], timestamp=1_700_000_000_123)
        for timestamp, offset in ((1_700_000_000_123, 0), (1_700_000_000_125, 0), (1_700_000_000_123, 9)):
            message = Message(topic, place.partition, offset, b"k", value, (), timestamp)
            await producer.send(dlq, letter_for(message, whole=False))
    async with open_dead_letter_topic(broker, dlq) as dead_letters:
        outcome = await dead_letters.redrive(Filter(), to=other)
    assert outcome.redriven == 1
    failed = [(letter.offset, why) for letter, why in outcome.failures]
    assert [offset for offset, _ in failed] == [1, 2]
    assert f"{topic}[0]@0 is gone: deleted" in failed[0][1]
    assert f"{topic}[0]@9 is gone: deleted" in failed[1][1]
    (message,) = await read(broker, other, 1)
    assert (message.key, message.value) == (b"k", value)
    assert message.headers == (("h", b"v"), (ORIGINAL_ID, f"{topic}-0-0".encode())), "elsewhere all targets deliver"
