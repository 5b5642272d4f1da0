"""Dead letters of a topic with several targets name the failed one, which alone gets a redriven record."""

from __future__ import annotations

import json
from typing import Any

import pytest
from harness.hooks import ReadRecords, Received, RunHooks, Target

from pywatt_kafka import Producer, ensure_topics
from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_kafka.dlq.topic import open_dead_letter_topic

pytestmark = pytest.mark.anyio


def document(broker: str, topic: str, *urls: str) -> dict[str, Any]:
    shared = {"topic": topic, "retries": 1, "retryDelay": 250, "dlq": f"{topic}-dlq"}
    return {
        "brokers": [broker],
        "topics": [{**shared, "url": url} for url in urls],
        "consumer": {"groupId": f"group-{topic}"},
    }


async def redrive(broker: str, topic: str) -> int:
    async with open_dead_letter_topic(broker, f"{topic}-dlq") as dead_letters:
        return (await dead_letters.redrive(Filter())).redriven


async def test_only_the_target_that_failed_gets_the_record_again(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    good, bad = "http://api.plt.local/good", "http://api.plt.local/bad"
    fails = True

    async def handle(request: Received) -> int:
        return 500 if fails and request.path.startswith("/bad") else 200

    target.handler = handle
    await ensure_topics(broker, [topic])
    await producer.send(topic, b"order", key=b"k", headers=[("h", b"v")])
    async with run_hooks(document(broker, topic, good, f"{bad}?token=secret")):
        (record,) = await read_records(f"{topic}-dlq", 1)
        letter = json.loads(record.value or b"")
        assert record.key is None
        assert (letter["target"], letter["webhookId"]) == ("http://api.plt.local/bad", f"{topic}-0-0")
        assert b"secret" not in (record.value or b"")
        await target.wait_for(lambda requests: len(requests) == 2)
        fails = False
        assert await redrive(broker, topic) == 1
        await producer.send(topic, b"end", key=b"k")
        await target.wait_for(lambda requests: sum(request.body == b"end" for request in requests) == 2)
    again = [request for request in target.requests[2:] if request.body == b"order"]
    assert [request.path for request in again] == ["/bad?token=secret"]
    headers = again[0].headers
    assert (headers["h"], headers["webhook-id"]) == ("v", f"{topic}-0-1")
    assert headers["x-plt-kafka-hooks-original-id"] == f"{topic}-0-0"
    assert not any("redrive" in name for name in headers)


async def test_all_targets_get_the_record_when_the_one_that_failed_is_gone(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    async def handle(request: Received) -> int:
        return 500 if request.path == "/bad" else 200

    target.handler = handle
    await producer.send(topic, b"order", key=b"k")
    async with run_hooks(document(broker, topic, "http://api.plt.local/good", "http://api.plt.local/bad")):
        await read_records(f"{topic}-dlq", 1)
    seen = len(target.requests)
    assert await redrive(broker, topic) == 1
    async with run_hooks(document(broker, topic, "http://api.plt.local/good", "http://api.plt.local/new")):
        await target.wait_for(
            lambda requests: {"/good", "/new"} == {each.path for each in requests[seen:] if each.body == b"order"}
        )


async def test_a_record_too_large_for_its_letter_is_delivered_again(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    fails = True

    async def handle(request: Received) -> int:
        return 500 if fails else 200

    target.handler = handle
    large = b"v" * 900_000
    await producer.send(topic, large, key=b"k", headers=[("h", b"v")])
    async with run_hooks(document(broker, topic, "http://api.plt.local/hook")):
        (record,) = await read_records(f"{topic}-dlq", 1)
        assert json.loads(record.value or b"")["omitted"] == ["key", "value", "headers"]
        fails = False
        assert await redrive(broker, topic) == 1
        await target.wait_for(lambda requests: len(requests) == 2)
    again = target.requests[1]
    assert (again.body, again.headers["x-plt-kafka-hooks-key"], again.headers["h"]) == (large, "k", "v")


@pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)
async def test_letters_of_one_key_lie_in_one_partition_in_order(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    async def refuse(request: Received) -> int:
        return 500

    target.handler = refuse
    await ensure_topics(broker, [topic], partitions=2)
    await ensure_topics(broker, [f"{topic}-dlq"], partitions=4)
    for number in range(24):
        await producer.send(topic, b"%d" % number, key=b"k%d" % (number % 4))
    async with run_hooks(document(broker, topic, "http://api.plt.local/bad")):
        records = await read_records(f"{topic}-dlq", 24)
    letters = [(json.loads(record.value or b""), record.partition) for record in records]
    for key in ("k0", "k1", "k2", "k3"):
        own = [(int(letter["offset"]), partition) for letter, partition in letters if letter["key"] == key]
        assert len(own) == 6
        assert own == sorted(own)
        assert len({partition for _, partition in own}) == 1
    assert len({partition for _, partition in letters}) > 1
