"""Topic patterns on a real broker: new topics are found, our own are excluded, and no delivery in flight is lost."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, ReadRecords, Received, RunHooks, Target

from pywatt_kafka import Producer, ensure_topics

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]


def document(broker: str, name: str, *entries: dict[str, Any]) -> dict[str, Any]:
    topics = [{"retryDelay": 250, **entry} for entry in entries]
    return {"brokers": [broker], "topics": topics, "consumer": {"groupId": f"group-{name}"}}


def bodies(requests: Any, path: str = "/hook") -> set[bytes]:
    return {request.body for request in requests if request.path == path}


async def test_new_topics_are_read_and_dead_letters_are_not(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    async def refuse(request: Received) -> int:
        return 500 if request.body == b"bad" else 200

    target.handler = refuse
    first, second, dlq, other = f"{topic}.first", f"{topic}.second", f"{topic}.dlq", f"x-{topic}.third"
    await producer.send(first, b"1", key=b"k")
    await producer.send(other, b"other", key=b"k")
    entry = {"pattern": rf"{re.escape(topic)}\..*", "url": "http://api.plt.local/hook", "retries": 1, "dlq": dlq}
    named = {"topic": first, "url": "http://api.plt.local/named", "dlq": dlq}
    config = document(broker, topic, entry, named)
    async with run_hooks(config) as hooks:
        await target.wait_for(lambda requests: bodies(requests) == bodies(requests, "/named") == {b"1"})
        with anyio.fail_after(20):
            answer = await hooks.post(f"/topics/{second}", b"2")
            assert answer.status == 202
            await producer.send(second, b"bad")
            await target.wait_for(lambda requests: bodies(requests) == {b"1", b"2", b"bad"})
        assert (await hooks.post(f"/topics/{dlq}", b"2")).status == 404
        assert (await hooks.post("/topics/other", b"2")).status == 404
        (letter,) = [json.loads(record.value or b"") for record in await read_records(dlq, 1)]
        assert (letter["topic"], letter["offset"]) == (second, "1")
        await producer.send(first, b"3", key=b"k")
        await target.wait_for(lambda requests: b"3" in bodies(requests))
        metrics = (await hooks.mesh.request("GET", f"http://127.0.0.1:{hooks.port}/metrics")).body.decode()
        assert f'kafka_hooks_dlq_messages_total{{worker="0",topic="{second}",reason="http_500"}} 1' in metrics
        why = json.loads((await hooks.mesh.request("GET", f"http://127.0.0.1:{hooks.port}/why")).body)
        assert {partition["topic"] for partition in why["partitions"]} == {first, second}
    seen = len(target.requests)
    async with run_hooks(config):
        await producer.send(second, b"4", key=b"k")
        await target.wait_for(lambda requests: b"4" in bodies(requests))
    assert [request.body for request in target.requests[seen:]] == [b"4"]
    assert all(request.path == "/hook" for request in target.requests if request.body not in (b"1", b"3"))


async def test_topic_that_appears_disturbs_nothing_in_flight(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    go_on = anyio.Event()

    async def wait(request: Received) -> int:
        if request.body == b"slow":
            await go_on.wait()
        return 200

    target.handler = wait
    first, second = f"{topic}.first", f"{topic}.second"
    await ensure_topics(broker, [first], partitions=4)
    await producer.send(first, b"slow", key=b"s", partition=0)
    entry = {"pattern": rf"{topic}\.(first|second)", "url": "http://api.plt.local/hook"}
    async with run_hooks(document(broker, topic, entry)):
        await target.wait_for(lambda requests: len(requests) == 1)
        async with run_hooks(document(broker, topic, entry), slot=1):
            for number in range(100):
                await producer.send(first, b"%d" % number, key=b"%d" % number, partition=number % 4)
            await ensure_topics(broker, [second], partitions=4)
            for number in range(100, 200):
                await producer.send(second, b"%d" % number, key=b"%d" % number, partition=number % 4)
            everything = {b"slow", *(b"%d" % number for number in range(200))}
            with anyio.fail_after(LONG):
                await target.wait_for(lambda requests: bodies(requests) == everything)
            go_on.set()
    counts = Counter(request.body for request in target.requests)
    assert set(counts.values()) == {1}
