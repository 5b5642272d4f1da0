"""Delayed retries over a topic, on a real broker."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from time import time
from typing import Any

import pytest
from harness.hooks import ReadRecords, Received, RunHooks, Target

from pywatt_kafka import Producer

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]

ATTEMPT = "x-plt-kafka-hooks-attempt"


def document(broker: str, topic: str, **more: Any) -> dict[str, Any]:
    entry = {
        "topic": topic,
        "url": "http://api.plt.local/hook",
        "retryDelay": 500,
        "retry": {"topic": True},
        "dlq": f"{topic}-dlq",
        **more,
    }
    return {"brokers": [broker], "topics": [entry], "consumer": {"groupId": f"group-{topic}"}}


def attempts(requests: Any, body: bytes) -> list[int]:
    return [int(request.headers[ATTEMPT]) for request in requests if request.body == body]


async def test_failed_record_holds_up_nobody_and_ends_as_a_letter_of_its_origin(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    times: dict[int, float] = {}

    async def refuse_some(request: Received) -> int:
        number = int(request.headers[ATTEMPT])
        if request.body == b"bad":
            times[number] = time()
            return 500
        return 500 if request.body == b"late" and number < 3 else 200

    target.handler = refuse_some
    await producer.send(topic, b"late", key=b"k", headers=[("x-a", b"b")])
    await producer.send(topic, b"bad", key=b"k")
    for number in range(20):
        await producer.send(topic, b"%d" % number, key=b"k")
    async with run_hooks(document(broker, topic)) as hooks:
        await target.wait_for(lambda requests: b"19" in {request.body for request in requests})
        assert attempts(target.requests, b"late") == [1]
        await target.wait_for(lambda requests: len(attempts(requests, b"late")) == 3)
        (letter,) = [json.loads(record.value or b"") for record in await read_records(f"{topic}-dlq", 1)]
        metrics = (await hooks.mesh.request("GET", f"http://127.0.0.1:{hooks.port}/metrics")).body.decode()
    assert attempts(target.requests, b"late") == attempts(target.requests, b"bad") == [1, 2, 3]
    assert all(times[number + 1] - times[number] >= 0.5 for number in (1, 2))
    same = [
        {name: value for name, value in request.headers.items() if name != ATTEMPT}
        for request in target.requests
        if request.body == b"late"
    ]
    assert same[0] == same[1] == same[2]
    assert same[0]["x-a"] == "b"
    assert same[0]["webhook-id"] == f"{topic}-0-0"
    assert (letter["topic"], letter["partition"], letter["offset"], letter["retries"]) == (topic, 0, "1", 3)
    assert [each["attempt"] for each in letter["errors"]] == [0, 1, 2]
    assert f'kafka_hooks_retries_total{{worker="0",topic="{topic}"}} 4' in metrics
    (first, *_) = await read_records(f"{topic}-retry", 4)
    assert dict(first.headers)["x-plt-kafka-hooks-retry-attempts"] == b"1"


async def test_attempts_and_due_times_outlive_the_worker(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    times: list[float] = []

    async def refuse(request: Received) -> int:
        times.append(time())
        return 500

    target.handler = refuse
    await producer.send(topic, b"bad", key=b"k")
    config = document(broker, topic, retryDelay=2000, retries=3)
    async with run_hooks(config):
        await read_records(f"{topic}-retry", 1)
    assert attempts(target.requests, b"bad") == [1]
    async with run_hooks(config):
        await target.wait_for(lambda requests: attempts(requests, b"bad") == [1, 2])
    async with run_hooks(config):
        (letter,) = [json.loads(record.value or b"") for record in await read_records(f"{topic}-dlq", 1)]
    assert attempts(target.requests, b"bad") == [1, 2, 3]
    assert letter["retries"] == 3
    assert all(after - before >= 2.0 for before, after in pairwise(times))


async def test_retries_for_records_of_a_pattern(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    async def refuse_once(request: Received) -> int:
        return 500 if request.headers[ATTEMPT] == "1" else 200

    target.handler = refuse_once
    names = [f"{topic}.{number}" for number in range(3)]
    for name in names:
        await producer.send(name, name.encode(), key=b"k")
    config = document(broker, topic, retry={"topic": f"{topic}.retry"}, dlq=False)
    config["topics"][0]["pattern"] = rf"{config['topics'][0].pop('topic')}\..*"
    async with run_hooks(config):
        await target.wait_for(lambda requests: len(requests) == 6)
    assert Counter(request.headers["x-plt-kafka-hooks-topic"] for request in target.requests) == dict.fromkeys(names, 2)
