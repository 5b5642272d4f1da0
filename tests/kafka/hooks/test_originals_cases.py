"""The cases of the original's own tests (`plugin`, `integration`, `processMessage`), on a real broker."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, Hooks, ReadRecords, Received, RunHooks, Target

from pywatt_kafka import GroupReader, Producer, ensure_topics
from pywatt_services.kafka_hooks.webhooks.options import DEFAULT_DLQ

pytestmark = pytest.mark.anyio

CORRELATION = "x-plt-kafka-hooks-correlation-id"


def document(broker: str, topic: str, **entry: Any) -> dict[str, Any]:
    entry = {"topic": topic, "url": "http://api.plt.local/success", "retryDelay": 250, **entry}
    return {"kafka": {"brokers": [broker], "topics": [entry], "consumer": {"groupId": f"group-{topic}"}}}


def exchange(broker: str, topic: str, path: str, timeout: int = 30_000) -> dict[str, Any]:
    route = {"path": path, "requestTopic": topic, "responseTopic": f"{topic}-responses", "timeout": timeout}
    return {"kafka": {"brokers": [broker], "requestResponse": [route]}}


async def metrics(hooks: Hooks, sample: str) -> str:
    """Return `/metrics` once it has that sample: a dead letter can be read before it is counted."""
    with anyio.fail_after(LONG):
        while True:
            answer = await hooks.mesh.request("GET", f"http://127.0.0.1:{hooks.port}/metrics", timeout=LONG)
            # We tell which worker it is as well.
            exposed = answer.body.decode().replace('worker="0",', "")
            if sample in exposed.splitlines():
                return exposed


@asynccontextmanager
async def answering(
    broker: str, topic: str, producer: Producer, **headers: bytes
) -> AsyncIterator[list[dict[str, Any]]]:
    """Answer the requests of a topic with `headers`; yield the headers of the requests."""
    seen: list[dict[str, Any]] = []

    async def answer() -> None:
        async with GroupReader(broker, group=f"answers-{topic}", topics=[topic]) as consumer:
            async for message in consumer:
                given = {name: (value or b"").decode() for name, value in message.headers}
                seen.append(given)
                sent = [(CORRELATION, given[CORRELATION].encode())]
                sent += [(name.replace("_", "-"), value) for name, value in headers.items()]
                await producer.send(f"{topic}-responses", b"answer to " + (message.value or b""), headers=sent)

    await ensure_topics(broker, [topic])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(answer)
        yield seen
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/plain", b"text"), ("application/json", b'{"a":1}'), ("application/octet-stream", bytes(range(256)))],
    ids=["text", "json", "binary"],
)
async def test_what_is_published_comes_to_the_webhook(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, content_type: str, body: bytes
) -> None:
    async with run_hooks(document(broker, topic)) as hooks:
        answer = await hooks.post(f"/topics/{topic}", body, [("content-type", content_type.encode())])
        assert (answer.status, answer.body) == (202, b"")
        await target.wait_for(lambda requests: len(requests) == 1)
    (request,) = target.requests
    assert (request.path, request.body) == ("/success", body)
    assert request.headers["content-type"] == content_type
    assert request.headers["x-plt-kafka-hooks-attempt"] == "1"
    assert request.headers.get("x-plt-kafka-hooks-key", "") == ""


async def test_unknown_topic(broker: str, topic: str, run_hooks: RunHooks) -> None:
    async with run_hooks(document(broker, topic)) as hooks:
        answer = await hooks.post("/topics/invalid", b"x")
    assert answer.status == 404
    assert json.loads(answer.body) == {
        "code": "HTTP_ERROR_NOT_FOUND",
        "error": "Not Found",
        "message": "Topic invalid not found.",
        "statusCode": 404,
    }


async def test_key_there_and_back(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, read_records: ReadRecords
) -> None:
    async with run_hooks(document(broker, topic)) as hooks:
        await hooks.post(f"/topics/{topic}", b"x", [("x-plt-kafka-hooks-key", b"my-key")])
        await target.wait_for(lambda requests: len(requests) == 1)
        (record,) = await read_records(topic, 1)
    assert record.key == b"my-key"
    assert target.requests[0].headers["x-plt-kafka-hooks-key"] == "my-key"


async def test_second_and_third_attempt(broker: str, topic: str, run_hooks: RunHooks, target: Target) -> None:
    async def third(request: Received) -> int:
        return 204 if request.headers["x-plt-kafka-hooks-attempt"] == "3" else 429

    target.handler = third
    async with run_hooks(document(broker, topic, retries=3)) as hooks:
        await hooks.post(f"/topics/{topic}", b"x")
        await target.wait_for(lambda requests: len(requests) == 3)
    assert [request.headers["x-plt-kafka-hooks-attempt"] for request in target.requests] == ["1", "2", "3"]


async def test_dead_letter(broker: str, topic: str, run_hooks: RunHooks, read_records: ReadRecords) -> None:
    entry = {"retries": 3, "dlq": f"{topic}-dlq", "url": "http://127.0.0.1:1/fail"}
    async with run_hooks(document(broker, topic, **entry)) as hooks:
        await hooks.post(f"/topics/{topic}", b"binary \xff", [("x-plt-kafka-hooks-key", b"k")])
        (record,) = await read_records(f"{topic}-dlq", 1)
        counted = f'kafka_hooks_dlq_messages_total{{topic="{topic}",reason="network_error"}} 1'
        exposed = await metrics(hooks, counted)
    letter = json.loads(record.value or b"")
    assert base64.b64decode(letter["value"]) == b"binary \xff"
    assert (letter["key"], letter["topic"], letter["partition"], letter["offset"]) == ("k", topic, 0, "0")
    assert letter["retries"] == 3
    assert [(error["statusCode"], error["attempt"]) for error in letter["errors"]] == [(499, 0), (499, 1), (499, 2)]
    assert f'kafka_hooks_messages_in_flight{{topic="{topic}"}} 0' in exposed


async def default_letter(broker: str, topic: str) -> dict[str, Any]:
    """Return the first letter from a topic in the default dead-letter topic, to which other tests write as well."""
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=f"letters-{topic}", topics=[DEFAULT_DLQ]) as consumer:
            async for message in consumer:
                letter: dict[str, Any] = json.loads(message.value or b"")
                if letter["topic"] == topic:
                    return letter
    raise AssertionError("unreachable")


async def test_default_dead_letter_topic(broker: str, topic: str, run_hooks: RunHooks, target: Target) -> None:
    async def fail(_: Received) -> int:
        return 501

    target.handler = fail
    async with run_hooks(document(broker, topic, retries=1, dlq=True)) as hooks:
        await hooks.post(f"/topics/{topic}", b"x")
        letter = await default_letter(broker, topic)
        await metrics(hooks, f'kafka_hooks_dlq_messages_total{{topic="{topic}",reason="http_501"}} 1')
    assert [error["statusCode"] for error in letter["errors"]] == [501]


async def test_no_dead_letter(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(request: Received) -> int:
        return 501 if request.body == b"bad" else 204

    target.handler = fail
    caplog.set_level(logging.ERROR)
    async with run_hooks(document(broker, topic, retries=1, dlq=False)) as hooks:
        await hooks.post(f"/topics/{topic}", b"bad", [("x-plt-kafka-hooks-key", b"k")])
        await hooks.post(f"/topics/{topic}", b"good", [("x-plt-kafka-hooks-key", b"k")])
        await target.wait_for(lambda requests: len(requests) == 2)
        exposed = await metrics(hooks, f'kafka_hooks_messages_in_flight{{topic="{topic}"}} 0')
    assert any(topic in record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR)
    assert f'kafka_hooks_dlq_messages_total{{topic="{topic}"' not in exposed


@pytest.mark.parametrize(
    ("path", "called", "params", "query"),
    [
        ("/process", "/process", None, None),
        ("/process/:user/:order", "/process/u1/o2", {"user": "u1", "order": "o2"}, None),
        ("/process", "/process?a=1&b=2", None, {"a": "1", "b": "2"}),
        ("/process/:user", "/process/u1?a=1", {"user": "u1"}, {"a": "1"}),
    ],
    ids=["plain", "params", "query", "both"],
)
async def test_request_and_response(
    broker: str, topic: str, run_hooks: RunHooks, producer: Producer, path: str, called: str, params: Any, query: Any
) -> None:
    async with (
        run_hooks(exchange(broker, topic, path)) as hooks,
        answering(broker, topic, producer, content_type=b"application/json", x_status_code=b"200") as seen,
    ):
        answer = await hooks.post(called, b"question", [("content-type", b"text/plain")])
    assert (answer.status, answer.body) == (200, b"answer to question")
    assert answer.header(b"content-type") == b"application/json"
    (given,) = seen
    assert json.loads(given.get("x-plt-kafka-hooks-path-params", "null")) == params
    assert json.loads(given.get("x-plt-kafka-hooks-query-string", "null")) == query


async def test_status_of_the_reply(broker: str, topic: str, run_hooks: RunHooks, producer: Producer) -> None:
    async with (
        run_hooks(exchange(broker, topic, "/process/:id")) as hooks,
        answering(broker, topic, producer, content_type=b"application/json", x_status_code=b"404"),
    ):
        answer = await hooks.post("/process/1", b"question")
    assert (answer.status, answer.body) == (404, b"answer to question")


async def test_no_reply(broker: str, topic: str, run_hooks: RunHooks) -> None:
    async with run_hooks(exchange(broker, topic, "/process", timeout=1000)) as hooks:
        answer = await hooks.post("/process", b"question")
    assert answer.status == 504
    assert json.loads(answer.body) == {
        "code": "HTTP_ERROR_GATEWAY_TIMEOUT",
        "error": "Gateway Timeout",
        "message": "Request timeout",
        "statusCode": 504,
    }


@pytest.mark.parametrize("headers", [[], [(CORRELATION, b"of-nobody")]], ids=["missing", "unknown"])
async def test_reply_that_belongs_to_nobody(
    broker: str, topic: str, run_hooks: RunHooks, producer: Producer, headers: list[tuple[str, bytes]]
) -> None:
    async with run_hooks(exchange(broker, topic, "/process")) as hooks:
        await producer.send(f"{topic}-responses", b"stray", headers=headers)
        async with answering(broker, topic, producer):
            answer = await hooks.post("/process", b"question")
    assert (answer.status, answer.body) == (200, b"answer to question")
