"""Records reach their webhooks, or their dead-letter topic, through a real broker."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import anyio
import pytest
from aiokafka.admin import AIOKafkaAdminClient
from harness.hooks import LONG, ReadRecords, Received, RunHooks, Target

from pywatt_kafka import Producer, ensure_topics

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]


def document(broker: str, *topics: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "brokers": [broker],
        "topics": [{"url": "http://api.plt.local/hook", "retryDelay": 250, **topic} for topic in topics],
        "consumer": {"groupId": f"group-{topics[0]['topic']}"},
        **more,
    }


async def test_published_request_reaches_the_webhook(
    broker: str, topic: str, run_hooks: RunHooks, target: Target
) -> None:
    async with run_hooks(document(broker, {"topic": topic, "headers": {"X-Tenant": "a"}, "method": "PUT"})) as hooks:
        headers = [
            ("content-type", b"application/json"),
            ("x-plt-kafka-hooks-key", b"k"),
            ("x-own", b"1"),
            ("authorization", b"secret"),
        ]
        answer = await hooks.post(f"/topics/{topic}", b'{"a":1}', headers)
        assert (answer.status, answer.body, answer.header(b"content-type")) == (202, b"", None)
        await target.wait_for(lambda requests: len(requests) == 1)
    (request,) = target.requests
    assert (request.method, request.path, request.body) == ("PUT", "/hook", b'{"a":1}')
    assert request.headers.pop("x-plt-kafka-hooks-timestamp").isdigit()
    assert request.headers == {
        "host": "api.plt.local",
        "content-type": "application/json",
        "x-own": "1",
        "x-plt-kafka-hooks-key": "k",
        "accept-encoding": "identity",
        "x-tenant": "a",
        "x-plt-kafka-hooks-attempt": "1",
        "x-plt-kafka-hooks-topic": topic,
        "x-plt-kafka-hooks-partition": "0",
        "x-plt-kafka-hooks-offset": "0",
        "webhook-id": f"{topic}-0-0",
        "content-length": "7",
    }


async def test_records_without_value_and_with_any_bytes_are_delivered(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    await producer.send(topic, None, key=b"\xff\x00", headers=[("a\r\nb", b"c\nd"), ("x", None)])
    await producer.send(topic, b"\x00\xff", key=b"k")
    async with run_hooks(document(broker, {"topic": topic})):
        await target.wait_for(lambda requests: len(requests) == 2)
    empty, binary = sorted(target.requests, key=lambda request: len(request.body))
    assert (empty.body, empty.headers["content-length"], binary.body) == (b"", "0", b"\x00\xff")
    assert (empty.headers["x-plt-kafka-hooks-key"], empty.headers["x-plt-kafka-hooks-key-encoding"]) == (
        base64.b64encode(b"\xff\x00").decode(),
        "base64",
    )


async def test_failing_target_leads_to_the_dead_letter_topic(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    async def refuse(request: Received) -> int:
        return 500

    target.handler = refuse
    await producer.send(topic, b"bad", key=b"k", headers=[("h", b"v")])
    async with run_hooks(document(broker, {"topic": topic, "retries": 2, "dlq": f"{topic}-dlq"})):
        (dead,) = await read_records(f"{topic}-dlq", 1)
        assert [request.headers["x-plt-kafka-hooks-attempt"] for request in target.requests] == ["1", "2"]
    assert (dead.key, dead.headers) == (None, ())
    letter = json.loads(dead.value or b"")
    assert {name: letter[name] for name in ("key", "value", "headers", "topic", "partition", "offset", "retries")} == {
        "key": "k",
        "value": base64.b64encode(b"bad").decode(),
        "headers": {"h": "v"},
        "topic": topic,
        "partition": 0,
        "offset": "0",
        "retries": 2,
    }
    assert [error["statusCode"] for error in letter["errors"]] == [500, 500]


async def test_target_that_is_away_leads_to_a_dead_letter_with_the_cause(
    broker: str, topic: str, run_hooks: RunHooks, producer: Producer, read_records: ReadRecords
) -> None:
    await producer.send(topic, b"x")
    webhook = {"topic": topic, "url": "http://127.0.0.1:1/", "retries": 1, "dlq": f"{topic}-dlq"}
    async with run_hooks(document(broker, webhook, dlqFormat="simple")):
        (dead,) = await read_records(f"{topic}-dlq", 1)
    letter = json.loads(dead.value or b"")
    assert (letter["originalTopic"], letter["retryCount"]) == (topic, 1)
    assert "ECONNREFUSED" in letter["error"]


async def test_record_without_dead_letter_topic_is_done_after_its_last_attempt(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse_the_first(request: Received) -> int:
        return 404 if request.body == b"bad" else 200

    target.handler = refuse_the_first
    for value in (b"bad", b"good"):
        await producer.send(topic, value, key=b"k")
    async with run_hooks(document(broker, {"topic": topic, "retries": 1, "dlq": False})):
        await target.wait_for(lambda requests: [request.body for request in requests] == [b"bad", b"good"])
    assert f"{topic}[0]@0 is given up after 1 attempts (http_404)" in caplog.text
    assert await committed(broker, topic) == 2


async def test_slow_webhook_holds_up_no_other_topic(
    broker: str, topics: Callable[[], str], run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    release = anyio.Event()

    async def hang(request: Received) -> int:
        if request.path == "/slow":
            await release.wait()
        return 200

    target.handler = hang
    slow, fast = topics(), topics()
    await ensure_topics(broker, [slow, fast])  # a topic that appears later makes the group rebalance
    for number in range(5):
        await producer.send(slow, b"%d" % number)
    config = document(broker, {"topic": slow, "url": "http://api.plt.local/slow"}, {"topic": fast}, concurrency=2)
    async with run_hooks(config):
        await target.wait_for(lambda requests: len(requests) == 2)
        for number in range(5):
            await producer.send(fast, b"%d" % number)
        await target.wait_for(lambda requests: [request.path for request in requests].count("/hook") == 5)
        assert [request.path for request in target.requests].count("/slow") == 2
        release.set()
        await target.wait_for(lambda requests: len(requests) == 10)


async def test_stop_in_the_middle_loses_nothing_and_repeats_nothing(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    total = 400
    await ensure_topics(broker, [topic], partitions=2)
    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as tasks:
            for number in range(total):
                tasks.start_soon(send, producer, topic, number)
    config = document(broker, {"topic": topic})
    async with run_hooks(config) as hooks:
        await target.wait_for(lambda requests: len(requests) >= total // 4)
        hooks.stop()
    stopped_at = len(target.requests)
    assert stopped_at < total
    async with run_hooks(config):
        await target.wait_for(lambda requests: len({request.body for request in requests}) == total)
    assert len(target.requests) == total
    by_key: dict[str, list[int]] = {}
    for request in target.requests:
        by_key.setdefault(request.headers["x-plt-kafka-hooks-key"], []).append(int(request.body))
    assert all(numbers == sorted(numbers) for numbers in by_key.values())


async def send(producer: Producer, topic: str, number: int) -> None:
    await producer.send(topic, b"%d" % number, key=b"%d" % (number % 7))


async def committed(broker: str, topic: str) -> int | None:
    """Return the offset that the group of a document has committed for partition 0."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        offsets = await admin.list_consumer_group_offsets(f"group-{topic}")
    finally:
        await admin.close()
    return next((found.offset for place, found in offsets.items() if place.topic == topic), None)


async def test_successor_of_a_worker_takes_over_when_it_ends(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    total = 300
    config = document(broker, {"topic": topic})
    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as tasks:
            for number in range(total):
                tasks.start_soon(send, producer, topic, number)
    async with run_hooks(config) as old:
        await target.wait_for(lambda requests: len(requests) >= total // 4)
        async with run_hooks(config):
            old.stop()
            await target.wait_for(lambda requests: len(requests) >= total)
    assert sorted(int(request.body) for request in target.requests) == list(range(total))


async def test_latest_begins_with_what_comes_after_the_first_start_and_keeps_its_place(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    config = document(broker, {"topic": topic}, consumer={"groupId": f"group-{topic}", "mode": "latest"})
    await producer.send(topic, b"before")
    async with run_hooks(config):
        with anyio.fail_after(LONG):
            while await committed(broker, topic) != 1:
                continue
    await producer.send(topic, b"while stopped")
    async with run_hooks(config):
        await target.wait_for(lambda requests: len(requests) == 1)
    assert [request.body for request in target.requests] == [b"while stopped"]
