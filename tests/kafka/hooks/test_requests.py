"""Request/response over two topics of a real broker: replies reach their request in every case."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, ReadRecords, RunHooks

from pywatt_kafka import GroupReader, Headers, Message, Producer, ensure_topics

pytestmark = pytest.mark.anyio


def document(broker: str, topic: str, **more: Any) -> dict[str, Any]:
    route = {"path": "/api/process/:id", "requestTopic": topic, "responseTopic": f"{topic}-responses", **more}
    return {"kafka": {"brokers": [broker], "requestResponse": [route]}}


@asynccontextmanager
async def worker(
    broker: str, topic: str, producer: Producer, reply: Callable[[Message], tuple[bytes | None, Headers]]
) -> AsyncIterator[None]:
    """Answer the requests of a topic like a user's service."""

    async def work() -> None:
        async with GroupReader(broker, group=f"worker-{topic}", topics=[topic]) as consumer:
            async for message in consumer:
                value, headers = reply(message)
                correlation = [header for header in message.headers if header[0].endswith("correlation-id")]
                await producer.send(f"{topic}-responses", value, headers=[*correlation, *headers])

    await ensure_topics(broker, [topic])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        yield
        tasks.cancel_scope.cancel()


async def test_round_trip(
    broker: str, topic: str, run_hooks: RunHooks, producer: Producer, read_records: ReadRecords
) -> None:
    def echo(message: Message) -> tuple[bytes, Headers]:
        return b"done: " + (message.value or b""), [
            ("x-status-code", b"418"),
            ("content-type", b"text/tea"),
            ("content-encoding", b"x-tea"),
        ]

    async with run_hooks(document(broker, topic)) as hooks, worker(broker, topic, producer, echo):
        headers = [
            ("content-type", b"text/plain"),
            ("x-plt-kafka-hooks-key", b"k"),
            ("authorization", b"secret"),
            ("content-encoding", b"gzip"),
            ("accept-encoding", b"gzip"),
            ("x-own", b"1"),
        ]
        answer = await hooks.post("/api/process/a%2Fb?x=1&x=2", b"job", headers)
        (request,) = await read_records(topic, 1)
    assert (answer.status, answer.header(b"content-type"), answer.body) == (418, b"text/tea", b"done: job")
    assert answer.header(b"content-encoding") == b"x-tea"
    sent = {name: value or b"" for name, value in request.headers}
    assert (request.key, request.value) == (b"k", b"job")
    assert len(sent.pop("x-plt-kafka-hooks-correlation-id")) == 36
    assert sent.pop("content-type") == b"text/plain"
    assert sent.pop("content-encoding") == b"gzip"
    assert json.loads(sent.pop("x-plt-kafka-hooks-path-params")) == {"id": "a/b"}
    assert json.loads(sent.pop("x-plt-kafka-hooks-query-string")) == {"x": ["1", "2"]}
    assert sent == {}


async def test_every_instance_gets_its_own_replies(
    broker: str, topic: str, run_hooks: RunHooks, producer: Producer
) -> None:
    bodies = [b"%d" % number for number in range(40)]
    answers: dict[bytes, bytes] = {}

    async def ask(hooks: Any, body: bytes) -> None:
        answers[body] = (await hooks.post("/api/process/1", body)).body

    async with (
        run_hooks(document(broker, topic)) as first,
        run_hooks(document(broker, topic), slot=1) as second,
        worker(broker, topic, producer, lambda message: (message.value, [])),
    ):
        with anyio.fail_after(LONG):
            async with anyio.create_task_group() as tasks:
                for number, body in enumerate(bodies):
                    tasks.start_soon(ask, (first, second)[number % 2], body)
    assert answers == {body: body for body in bodies}


async def test_no_reply_in_time_is_a_504(broker: str, topic: str, run_hooks: RunHooks) -> None:
    async with run_hooks(document(broker, topic, timeout=1000)) as hooks:
        answer = await hooks.post("/api/process/1", b"job")
    assert answer.status == 504
    assert answer.body == (
        b'{"code":"HTTP_ERROR_GATEWAY_TIMEOUT","statusCode":504,"error":"Gateway Timeout","message":"Request timeout"}'
    )


async def test_other_records_in_the_response_topic_disturb_nothing(
    broker: str, topic: str, run_hooks: RunHooks, producer: Producer
) -> None:
    async with (
        run_hooks(document(broker, topic)) as hooks,
        worker(broker, topic, producer, lambda message: (b"", [("x-status-code", b"nonsense")])),
    ):
        await producer.send(f"{topic}-responses", b"without id")
        await producer.send(f"{topic}-responses", b"unknown", headers=[("x-plt-kafka-hooks-correlation-id", b"?")])
        assert (await hooks.post("/api/process/1", b"job")).status == 502
        assert (await hooks.post(f"/topics/{topic}-responses", b"x")).status == 202
        assert (await hooks.post(f"/topics/{topic}", b"x")).status == 404
