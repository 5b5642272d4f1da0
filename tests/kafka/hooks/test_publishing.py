"""Publishing through a worker to a real broker: offsets, batches and limits; no acknowledged record is lost."""

from __future__ import annotations

import ctypes
import itertools
import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, Hooks, ReadRecords, RunHooks
from harness.topics import COMPACTED, create_topic

from pywatt_kafka import GroupReader, Headers, ensure_topics
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.brokers.embedded import EmbeddedBroker

pytestmark = pytest.mark.anyio

BATCH = ("content-type", b"application/vnd.pywatt.records+json")


def document(broker: str, topic: str, **more: Any) -> dict[str, Any]:
    publish = {"topics": [topic], **more.pop("publish", {})}
    return {"brokers": [broker], "publish": publish, **more}


async def place(hooks: Hooks, topic: str, body: bytes, headers: Headers = ()) -> tuple[int, int]:
    answer = await hooks.post(f"/topics/{topic}?ack=1", body, headers)
    assert answer.status == 200
    told = json.loads(answer.body)
    assert told["topic"] == topic
    return told["partition"], told["offset"]


async def test_acknowledgement_tells_the_place(
    broker: str, topic: str, run_hooks: RunHooks, read_records: ReadRecords
) -> None:
    await ensure_topics(broker, [topic], partitions=3)
    async with run_hooks(document(broker, topic)) as hooks:
        places = [
            await place(hooks, topic, b"%d" % number, [("x-plt-kafka-hooks-partition", b"%d" % (number % 3))])
            for number in range(6)
        ]
        assert places == [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1)]
        refused = await hooks.post(f"/topics/{topic}", b"x", [("x-plt-kafka-hooks-partition", b"3")])
        assert (refused.status, json.loads(refused.body)["message"]) == (400, f"topic {topic} has no partition 3")
        found = {(each.partition, each.offset): each.value for each in await read_records(topic, 6)}
    assert found == {where: b"%d" % number for number, where in enumerate(places)}


async def test_batch_is_written_and_every_place_is_told(
    broker: str, topic: str, run_hooks: RunHooks, read_records: ReadRecords
) -> None:
    entries: list[dict[str, Any]] = [{"value": {"n": number}, "key": f"k{number}"} for number in range(500)]
    entries.append({"value": "x" * 1_100_000})
    async with run_hooks(document(broker, topic, publish={"bodyLimit": 2_000_000})) as hooks:
        answer = await hooks.post(f"/topics/{topic}", json.dumps(entries).encode(), [BATCH])
        assert answer.status == 207
        told = json.loads(answer.body)
        assert told["failed"] == 1
        assert told["records"][500]["statusCode"] == 413
        records = await read_records(topic, 500)
    for number, (where, record) in enumerate(zip(told["records"], records, strict=False)):
        assert (where, record.value) == (
            {"partition": record.partition, "offset": record.offset},
            b'{"n":%d}' % number,
        )


@pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)
async def test_record_that_the_broker_refuses_harms_no_later_one(
    broker: str, topic: str, run_hooks: RunHooks, engine: str
) -> None:
    await create_topic(broker, topic, COMPACTED)
    key = ("x-plt-kafka-hooks-key", b"k")
    async with run_hooks(document(broker, topic)) as hooks:
        for offset in range(3):
            assert await place(hooks, topic, b"{}", [key]) == (0, offset)
            assert (await hooks.post(f"/topics/{topic}", b"x" * (1 << 20), [key])).status == 413
            refused = await hooks.post(f"/topics/{topic}", b"no key")
            assert (refused.status, json.loads(refused.body)["code"]) == (400, "HTTP_ERROR_BAD_REQUEST")


async def test_limits_keys_schemas_and_repetitions(
    broker: str, topic: str, run_hooks: RunHooks, read_records: ReadRecords, tmp_path: Path
) -> None:
    (tmp_path / "order.json").write_text(json.dumps({"required": ["id"]}))
    publish = {"bodyLimit": 1000, "schemas": {topic: "order.json"}, "headers": ["x-a"]}
    key = ("x-api-key", b"secret")
    once = ("idempotency-key", b"1")
    async with run_hooks(document(broker, topic, publish=publish, auth={"apiKeys": ["secret"]})) as hooks:
        assert (await hooks.post(f"/topics/{topic}", b'{"id":0}')).status == 401
        assert (await hooks.post(f"/topics/{topic}", b"x" * 1001, [key])).status == 413
        wrong = await hooks.post(f"/topics/{topic}", b"{}", [key])
        assert (wrong.status, json.loads(wrong.body)["errors"]) == (
            400,
            [{"path": "$", "message": "'id' is a required property"}],
        )
        first = await place(hooks, topic, b'{"id":1}', [key, once, ("x-a", b"1"), ("x-b", b"2")])
        assert await place(hooks, topic, b'{"id":1}', [key, once, ("x-a", b"1"), ("x-b", b"2")]) == first
        assert await place(hooks, topic, b'{"id":2}', [key]) == (0, first[1] + 1)
        one, two = await read_records(topic, 2)
    assert (one.value, one.headers, two.value) == (b'{"id":1}', (("x-a", b"1"),), b'{"id":2}')


async def test_nothing_acknowledged_is_lost_when_the_broker_is_killed(
    own_broker: RealBroker, topic: str, run_hooks: RunHooks
) -> None:
    acknowledged: dict[tuple[int, int], bytes] = {}
    back, over = anyio.Event(), anyio.Event()
    async with run_hooks(document(own_broker.address, topic)) as hooks:

        async def publish(client: int) -> None:
            for number in itertools.count():
                if over.is_set():
                    return
                body = b"%d-%d" % (client, number)
                answer = await hooks.post(f"/topics/{topic}?ack=1", body)
                if answer.status == 200:
                    told = json.loads(answer.body)
                    acknowledged[told["partition"], told["offset"]] = body
                else:
                    assert (answer.status, answer.header(b"retry-after")) == (503, b"1")
                    await back.wait()

        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                for client in range(16):
                    tasks.start_soon(publish, client)
                while len(acknowledged) < 500:
                    await anyio.wait_all_tasks_blocked()
                await anyio.to_thread.run_sync(own_broker.kill)
                await hooks.wait_for_degraded(True)
                refused = await hooks.post(f"/topics/{topic}", b"too early")
                assert (refused.status, refused.header(b"retry-after")) == (503, b"1")
                await anyio.to_thread.run_sync(own_broker.start)
                before = len(acknowledged)
                back.set()
                while len(acknowledged) < before + 500:
                    await anyio.wait_all_tasks_blocked()
                over.set()
        found: dict[tuple[int, int], bytes | None] = {}
        async with GroupReader(own_broker.address, group=topic, topics=[topic]) as consumer:
            with anyio.fail_after(LONG):
                while not found.keys() >= acknowledged.keys():
                    for messages in (await consumer.fetch()).values():
                        found.update({(each.partition, each.offset): each.value for each in messages})
    assert acknowledged.items() <= found.items()


@pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)
async def test_record_that_is_not_acknowledged_may_be_written_all_the_same(
    topic: str, run_hooks: RunHooks, engine: str, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddedBroker() as embedded:
        async with run_hooks(document(embedded.address, topic)) as hooks:
            await place(hooks, topic, b"before")
            refuse_writing(embedded, 1000)
            answer = await hooks.post(f"/topics/{topic}", b"x")
    message = json.loads(answer.body)["message"]
    assert (answer.status, answer.header(b"retry-after")) == (503, b"1")
    assert message.startswith(f"writing to topic {topic}: no acknowledgement within 5 s")
    assert message.endswith("; the record may be written all the same")
    if engine == "aiokafka":
        assert "(fewer replicas are in sync than min.insync.replicas asks for)" in message
    assert message in caplog.text


def refuse_writing(broker: EmbeddedBroker, times: int) -> None:
    """Make the embedded broker answer that too few replicas are in sync."""
    produce, not_enough_replicas = 0, 19
    assert broker._library is not None
    refuse = broker._library.rd_kafka_mock_push_request_errors_array
    refuse.argtypes = (ctypes.c_void_p, ctypes.c_int16, ctypes.c_size_t, ctypes.c_void_p)
    refuse(broker._cluster, produce, times, (ctypes.c_int * times)(*[not_enough_replicas] * times))
