"""`"mode": "share"`: a share group's records reach their webhooks, each with an acknowledgement of its own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, Received, RunHooks, Target

from pywatt_kafka import Admin, GroupReader, Producer, ShareConsumer, ensure_topics
from pywatt_kafka.brokers.apache import RealBroker

pytestmark = pytest.mark.anyio


def document(broker: str, topic: str, *, group: Mapping[str, Any] | None = None, **entry: Any) -> dict[str, Any]:
    return {
        "brokers": [broker],
        "topics": [
            {"topic": topic, "url": "http://api.plt.local/hook", "retryDelay": 50, "dlq": f"{topic}-dlq", **entry}
        ],
        "consumer": {"groupId": f"share-{topic}", "mode": "share", **(group or {})},
    }


@pytest.fixture
async def shared(broker_4_2: str, topic: str) -> AsyncIterator[Producer]:
    """A producer, beside a topic with one partition."""
    await ensure_topics(broker_4_2, [topic, f"{topic}-dlq"])
    async with Producer(broker_4_2) as made:
        yield made


async def lock_for(milliseconds: int, broker: str, topic: str) -> None:
    """Set how long the topic's group locks records."""
    async with Admin(broker) as admin:
        await admin.alter_configs("group", f"share-{topic}", {"share.record.lock.duration.ms": str(milliseconds)})


async def letters(broker: str, topic: str, count: int) -> list[dict[str, Any]]:
    """Return the first dead letters of a topic."""
    found: list[dict[str, Any]] = []
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=f"reader-{topic}", topics=[f"{topic}-dlq"]) as reader:
            async for message in reader:
                found.append(json.loads(message.value or b""))
                if len(found) == count:
                    return found
    raise AssertionError("unreachable")


async def left(broker: str, topic: str, last: bytes) -> list[bytes | None]:
    """Return what the topic's group still delivers before the record `last`, which has just been written."""
    found: list[bytes | None] = []
    with anyio.fail_after(LONG):
        async with ShareConsumer(f"share-{topic}", broker, topics=[topic]) as consumer:
            async for message in consumer:
                await message.accept()
                if message.value == last:
                    return found
                found.append(message.value)
    raise AssertionError("unreachable")


def bodies(target: Target) -> Counter[bytes]:
    return Counter(request.body for request in target.requests)


async def test_records_are_delivered_and_accepted_or_rejected_with_a_dead_letter(
    broker_4_2: str, topic: str, run_hooks: RunHooks, target: Target, shared: Producer
) -> None:
    async def refuse_the_bad(request: Received) -> int:
        return 500 if request.body == b"bad" else 200

    target.handler = refuse_the_bad
    values = [b"%d" % number for number in range(50)]
    for value in [*values, b"bad"]:  # before the group exists: it begins with the earliest
        await shared.send(topic, value, key=b"k")
    async with run_hooks(document(broker_4_2, topic, retries=2)):
        (letter,) = await letters(broker_4_2, topic, 1)
        await target.wait_for(lambda requests: len(requests) == 52)
    assert bodies(target) == {**dict.fromkeys(values, 1), b"bad": 2}
    assert (letter["retries"], letter["offset"], letter["errors"][0]["statusCode"]) == (2, "50", 500)
    await shared.send(topic, b"last")
    assert await left(broker_4_2, topic, b"last") == []


async def test_a_wait_longer_than_the_lock_gives_the_record_back_and_its_attempts_count_on(
    broker_4_2: str, topic: str, run_hooks: RunHooks, target: Target, shared: Producer
) -> None:
    async def refuse_twice(request: Received) -> int:
        return 200 if request.headers["x-plt-kafka-hooks-attempt"] == "3" else 503

    target.handler = refuse_twice
    await lock_for(1000, broker_4_2, topic)
    await shared.send(topic, b"slow")
    async with run_hooks(document(broker_4_2, topic, retries=3, retryDelay=1500)):
        await target.wait_for(lambda requests: len(requests) == 3)
    assert [request.headers["x-plt-kafka-hooks-attempt"] for request in target.requests] == ["1", "2", "3"]
    await shared.send(topic, b"last")
    assert await left(broker_4_2, topic, b"last") == []


async def test_the_last_delivery_becomes_a_dead_letter_before_the_broker_archives_it(
    broker_4_2: str, topic: str, run_hooks: RunHooks, target: Target, shared: Producer
) -> None:
    async def refuse(request: Received) -> int:
        return 503

    target.handler = refuse
    await lock_for(1000, broker_4_2, topic)
    await shared.send(topic, b"never")
    async with run_hooks(document(broker_4_2, topic, retries=100, retryDelay=60_000)):
        (letter,) = await letters(broker_4_2, topic, 1)
    assert len(target.requests) == 1  # further deliveries found that its next attempt is not due
    assert (letter["offset"], letter["errors"][0]["statusCode"]) == ("0", 503)
    assert "delivered 5 times" in letter["errors"][-1]["message"]
    await shared.send(topic, b"last")
    assert await left(broker_4_2, topic, b"last") == []


async def test_a_target_that_has_taken_a_record_does_not_get_it_again_for_another_that_has_not(
    broker_4_2: str, topic: str, run_hooks: RunHooks, target: Target, shared: Producer
) -> None:
    async def refuse_at_one(request: Received) -> int:
        return 503 if request.path == "/other" and request.headers["x-plt-kafka-hooks-attempt"] == "1" else 200

    target.handler = refuse_at_one
    await lock_for(1000, broker_4_2, topic)
    await shared.send(topic, b"x")
    config = document(broker_4_2, topic, retryDelay=1500)
    config["topics"].append({**config["topics"][0], "url": "http://api.plt.local/other"})
    async with run_hooks(config):
        await target.wait_for(lambda requests: len(requests) == 3)
    assert Counter(request.path for request in target.requests) == {"/hook": 1, "/other": 2}
    await shared.send(topic, b"last")
    assert await left(broker_4_2, topic, b"last") == []


async def test_a_stop_releases_what_is_not_done_and_a_successor_delivers_it(
    broker_4_2: str, topic: str, run_hooks: RunHooks, target: Target, shared: Producer
) -> None:
    release = anyio.Event()

    async def hang(request: Received) -> int:
        if request.body == b"0":
            await release.wait()
        return 200

    target.handler = hang
    values = [b"%d" % number for number in range(8)]
    for value in values:
        await shared.send(topic, value)
    config = document(broker_4_2, topic, concurrency=1)
    async with run_hooks(config) as old:
        await target.wait_for(lambda requests: len(requests) == 1)
        old.stop()
        async with run_hooks(config):
            await target.wait_for(lambda requests: len(requests) == 8)  # at once, and not when the locks have ended
            assert bodies(target) == dict.fromkeys(values, 1)
            release.set()
            with anyio.fail_after(LONG):
                await old.ended.wait()
    await shared.send(topic, b"last")
    assert await left(broker_4_2, topic, b"last") == []


async def test_two_workers_share_one_partition(
    broker_4_2: str, topic: str, run_hooks: RunHooks, target: Target, shared: Producer
) -> None:
    both = anyio.Event()

    async def hang(request: Received) -> int:
        if len(target.requests) == 2:
            both.set()
        await both.wait()
        return 200

    target.handler = hang
    config = document(broker_4_2, topic, concurrency=1, group={"highWaterMark": 1})
    async with run_hooks(config), run_hooks(config, slot=1):
        await shared.send(topic, b"0")
        await target.wait_for(lambda requests: len(requests) == 1)
        await shared.send(topic, b"1")  # while the first is in work
        await target.wait_for(lambda requests: len(requests) == 2)
    assert bodies(target) == {b"0": 1, b"1": 1}


async def test_a_broker_without_share_groups_is_named(
    broker: str, topic: str, run_hooks: RunHooks, caplog: pytest.LogCaptureFixture
) -> None:
    async with run_hooks(document(broker, topic)) as hooks:
        await hooks.wait_for_degraded(True)
    reason = hooks.reasons[-1] or ""
    assert f"the brokers at {broker} have no share groups: they are older than Kafka 4.1; use Kafka 4.2" in reason
    assert reason in caplog.text


async def test_records_travel_in_batches_and_what_is_held_is_shown(
    broker_4_2: str, topic: str, run_hooks: RunHooks, target: Target, shared: Producer
) -> None:
    release = anyio.Event()

    async def hang(request: Received) -> int:
        await release.wait()
        return 200

    target.handler = hang
    for number in range(6):
        await shared.send(topic, b"%d" % number)
    entry = {"batch": {"records": 3, "wait": 500}, "concurrency": 2}
    async with run_hooks(document(broker_4_2, topic, group={"highWaterMark": 6}, **entry)) as hooks:
        await target.wait_for(lambda requests: len(requests) == 2)
        answer = await hooks.mesh.request("GET", f"http://127.0.0.1:{hooks.port}/why", timeout=LONG)
        (partition,) = json.loads(answer.body)["partitions"]
        assert (partition["topic"], partition["committed"]) == (topic, None)
        assert [held["state"] for held in partition["heldBy"]] == ["in flight"]
        metrics = await hooks.mesh.request("GET", f"http://127.0.0.1:{hooks.port}/metrics", timeout=LONG)
        assert metrics.status == 200
        release.set()
        await shared.send(topic, b"6")
        await target.wait_for(lambda requests: len(requests) == 3)
    assert len(target.requests) == 3
    await shared.send(topic, b"last")
    assert await left(broker_4_2, topic, b"last") == []


async def test_an_ordinary_group_of_that_name_is_named(
    broker_4_2: str, topic: str, run_hooks: RunHooks, shared: Producer
) -> None:
    await shared.send(topic, b"0")
    async with GroupReader(broker_4_2, group=f"share-{topic}", topics=[topic]) as reader:
        with anyio.fail_after(LONG):
            await anext(aiter(reader))
        async with run_hooks(document(broker_4_2, topic)) as hooks:
            await hooks.wait_for_degraded(True)
            assert (hooks.reasons[-1] or "").startswith(
                f"share-{topic} is an ordinary consumer group, not a share group;"
            )


async def test_deliveries_go_on_after_an_outage(
    kafka_at_hand: None, topic: str, run_hooks: RunHooks, target: Target, tmp_path: Path
) -> None:
    with RealBroker(tmp_path / "kafka", version="4.2") as own:
        async with Producer(own.address) as producer:
            await ensure_topics(own.address, [topic, f"{topic}-dlq"])
            async with run_hooks(document(own.address, topic)) as hooks:
                await producer.send(topic, b"before")
                await target.wait_for(lambda requests: len(requests) == 1)
                await anyio.to_thread.run_sync(own.kill)
                await hooks.wait_for_degraded(True)
                await anyio.to_thread.run_sync(own.start)
                with anyio.fail_after(LONG):
                    await producer.send(topic, b"after")
                await target.wait_for(lambda requests: len({request.body for request in requests}) == 2)
                await hooks.wait_for_degraded(False)
