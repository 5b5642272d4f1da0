"""The HTTP side on the wire: statuses, bodies and what is written to Kafka, with a writer that only remembers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from pywatt_kafka import (
    ConnectionState,
    ConnectionStatus,
    Headers,
    KafkaError,
    KafkaUnavailable,
    Message,
    NotAuthorized,
    RecordPosition,
    RecordTooLarge,
    UnknownTopic,
)
from pywatt_services.kafka_hooks.application import Application
from pywatt_services.kafka_hooks.config import RequestReplyOptions
from pywatt_services.kafka_hooks.pace import Pace
from pywatt_services.kafka_hooks.publish import Publisher
from pywatt_services.kafka_hooks.reply import Replies
from pywatt_services.kafka_hooks.routes import PathPattern, Routes

pytestmark = pytest.mark.anyio

CONNECTED = ConnectionStatus(ConnectionState.CONNECTED)
AWAY = ConnectionStatus(ConnectionState.AWAY, "no broker answers")
ROUTE = RequestReplyOptions(
    path=PathPattern.parse("/api/process/:id"), request_topic="requests", response_topic="responses", timeout=30.0
)
HURRIED = RequestReplyOptions(
    path=PathPattern.parse("/hurried"), request_topic="requests", response_topic="responses", timeout=0.01
)


@dataclass
class Writer:
    """A producer that remembers."""

    status: ConnectionStatus = CONNECTED
    error: KafkaError | None = None
    written: asyncio.Queue[tuple[str, bytes | None, bytes | None, Headers]] = field(default_factory=asyncio.Queue)

    async def send(
        self, topic: str, value: bytes | None, *, key: bytes | None = None, headers: Headers = ()
    ) -> RecordPosition:
        if self.error is not None:
            raise self.error
        self.written.put_nowait((topic, value, key, headers))
        return RecordPosition(topic, 0, 0)


@dataclass
class Reader:
    """A reader of the response topics that is where it should be."""

    status: ConnectionStatus = CONNECTED

    async def wait_ready(self) -> None:
        return


@dataclass
class Client:
    """Calls the application."""

    writer: Writer = field(default_factory=Writer)
    reader: Reader = field(default_factory=Reader)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        publisher = Publisher(self.writer, frozenset({"orders", "responses"}))
        self.replies = Replies(publisher, self.reader, new_id=lambda: "id-1")
        routes = Routes([(route.path, route) for route in (ROUTE, HURRIED)])
        self.application = Application(publisher, self.replies, routes)

    async def call(
        self,
        method: str,
        path: str,
        *chunks: bytes,
        headers: Iterable[tuple[bytes, bytes]] = (),
        query: bytes = b"",
        root_path: str = "",
    ) -> list[dict[str, Any]]:
        events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks or (b"",)]
        events[-1]["more_body"] = False
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            if events:
                return events.pop(0)
            await self.gone.wait()
            return {"type": "http.disconnect"}

        async def send(event: Any) -> None:
            sent.append(dict(event))

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "headers": list(headers),
            "root_path": root_path,
        }
        async with asyncio.timeout(5):
            await self.application(scope, receive, send)
        return sent

    async def answer(self, *args: Any, **kwargs: Any) -> tuple[int, dict[bytes, bytes], bytes]:
        start, body = await self.call(*args, **kwargs)
        return start["status"], dict(start["headers"]), body["body"]


async def test_publish_is_accepted_without_a_body_and_written_with_key_and_headers() -> None:
    client = Client()
    headers = [(b"accept", b"*/*"), (b"content-type", b"text/plain"), (b"x-plt-kafka-hooks-key", b"k")]
    assert await client.call("POST", "/topics/orders", b"a", b"b", headers=headers) == [
        {"type": "http.response.start", "status": 202, "headers": [(b"content-length", b"0")]},
        {"type": "http.response.body", "body": b""},
    ]
    assert client.writer.written.get_nowait() == (
        "orders",
        b"ab",
        b"k",
        [("content-type", b"text/plain"), ("accept", b"*/*")],
    )


@pytest.mark.parametrize(("headers", "value"), [([(b"x-plt-kafka-hooks-key", b"k")], None), ([], b"")])
async def test_empty_body_with_a_key_is_a_record_without_value(
    headers: list[tuple[bytes, bytes]], value: bytes | None
) -> None:
    client = Client()
    assert (await client.answer("POST", "/topics/orders", headers=headers))[0] == 202
    assert client.writer.written.get_nowait()[1] == value


def no_route(target: str) -> bytes:
    return b'{"message":"Route %s not found","error":"Not Found","statusCode":404}' % target.encode()


NO_TOPIC = b'{"code":"HTTP_ERROR_NOT_FOUND","statusCode":404,"error":"Not Found","message":"Topic nope not found."}'


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("POST", "/topics/nope", b"", NO_TOPIC),
        ("GET", "/topics/orders", b"", no_route("GET:/topics/orders")),
        ("POST", "/", b"a=1", no_route("POST:/?a=1")),
        ("GET", "/api/process/1", b"", no_route("GET:/api/process/1")),
    ],
)
async def test_not_found(method: str, path: str, query: bytes, body: bytes) -> None:
    client = Client()
    status, headers, sent = await client.answer(method, path, query=query)
    assert (status, sent) == (404, body)
    assert headers == {b"content-type": b"application/json; charset=utf-8", b"content-length": b"%d" % len(body)}
    assert client.writer.written.empty()


@pytest.mark.parametrize(
    ("chunks", "headers"),
    [([b"x"], [(b"content-length", b"1048577")]), ([b"x" * 1_000_000, b"x" * 48_577], [])],
)
async def test_body_over_one_mebibyte(chunks: list[bytes], headers: list[tuple[bytes, bytes]]) -> None:
    client = Client()
    status, _, body = await client.answer("POST", "/topics/orders", *chunks, headers=headers)
    assert status == 413
    assert json.loads(body) == {
        "statusCode": 413,
        "code": "FST_ERR_CTP_BODY_TOO_LARGE",
        "error": "Payload Too Large",
        "message": "Request body is too large",
    }
    assert client.writer.written.empty()


async def test_body_of_exactly_one_mebibyte_is_taken() -> None:
    assert (await Client().answer("POST", "/topics/orders", b"x" * 1_048_576))[0] == 202


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KafkaUnavailable("no acknowledgement"), 503),
        (UnknownTopic("no such topic"), 503),
        (RecordTooLarge("too large"), 413),
        (NotAuthorized("not allowed"), 500),
    ],
)
async def test_record_that_is_not_acknowledged_is_not_accepted(error: KafkaError, status: int) -> None:
    answered, headers, _ = await Client(Writer(error=error)).answer("POST", "/topics/orders", b"x")
    assert answered == status
    assert (headers.get(b"retry-after") == b"1") == (status == 503)


@pytest.mark.parametrize("path", ["/topics/orders", "/api/process/1"])
async def test_answer_is_503_at_once_while_kafka_is_away(path: str) -> None:
    client = Client(Writer(status=AWAY))
    status, headers, body = await client.answer("POST", path, b"x")
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert json.loads(body) == {
        "code": "HTTP_ERROR_SERVICE_UNAVAILABLE",
        "statusCode": 503,
        "error": "Service Unavailable",
        "message": "Kafka is away: no broker answers",
    }
    assert client.writer.written.empty()


@pytest.mark.parametrize("path", ["/topics/orders", "/api/process/1"])
async def test_key_that_is_not_base64_though_it_says_so(path: str) -> None:
    headers = [(b"x-plt-kafka-hooks-key", b"!"), (b"x-plt-kafka-hooks-key-encoding", b"base64")]
    assert (await Client().answer("POST", path, b"x", headers=headers))[0] == 400


async def test_prefix_of_the_app_is_taken_off() -> None:
    client = Client()
    assert (await client.answer("POST", "/prefix/topics/orders", b"x", root_path="/prefix"))[0] == 202


async def test_request_is_written_and_answered_with_its_reply() -> None:
    client = Client()
    headers = [(b"authorization", b"secret"), (b"content-type", b"text/plain"), (b"x-plt-kafka-hooks-key", b"k")]
    query = b"a=1&b=2&a=%C3%A4"
    calling = asyncio.ensure_future(
        client.answer("POST", "/api/process/a%20b", b"job", headers=headers, query=query)
    )  # fmt: skip
    async with asyncio.timeout(5):
        assert await client.writer.written.get() == (
            "requests",
            b"job",
            b"k",
            [
                ("content-type", b"text/plain"),
                ("x-plt-kafka-hooks-correlation-id", b"id-1"),
                ("x-plt-kafka-hooks-path-params", b'{"id":"a b"}'),
                ("x-plt-kafka-hooks-query-string", '{"a":["1","ä"],"b":"2"}'.encode()),
            ],
        )
        client.replies.arrived(reply(b"id-2", b"someone else's"))
        client.replies.arrived(reply(b"id-1", b"done"))
        client.replies.arrived(reply(b"id-1", b"done twice"))
        status, sent, body = await calling
    assert (status, sent[b"content-type"], body) == (201, b"text/x", b"done")
    assert client.replies.waiting == 0


async def test_request_without_reply_times_out() -> None:
    client = Client()
    status, _, body = await client.answer("POST", "/hurried", b"x")
    assert status == 504
    assert body == (
        b'{"code":"HTTP_ERROR_GATEWAY_TIMEOUT","statusCode":504,"error":"Gateway Timeout","message":"Request timeout"}'
    )
    assert client.replies.waiting == 0


async def test_request_whose_client_went_away_is_forgotten() -> None:
    client = Client()
    calling = asyncio.ensure_future(client.call("POST", "/api/process/1", b"x"))
    async with asyncio.timeout(5):
        await client.writer.written.get()
        client.gone.set()
        assert await calling == []
    assert client.replies.waiting == 0


async def test_request_is_not_written_while_replies_cannot_be_read() -> None:
    client = Client(reader=Reader(AWAY))
    assert (await client.answer("POST", "/api/process/1", b"x"))[0] == 503
    assert client.writer.written.empty()


async def test_replies_without_correlation_id_are_told_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    replies = Replies(Publisher(Writer(), frozenset()), Reader(), pace=Pace(lambda: now))
    for offset in range(5):
        replies.arrived(Message("responses", 1, offset, None, b"x", (), 0))
    now = 10.0
    replies.arrived(Message("responses", 1, 5, None, b"x", (), 0))
    assert [record.getMessage() for record in caplog.records] == [
        "Response message missing correlation ID: responses[1]@0 (1 so far)",
        "Response message missing correlation ID: responses[1]@5 (6 so far)",
    ]


async def test_what_is_not_http_is_refused() -> None:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(event: Any) -> None:
        sent.append(event)

    await Client().application({"type": "websocket"}, receive, send)
    await Client().application({"type": "lifespan"}, receive, send)
    assert sent == [{"type": "websocket.close"}]


def reply(correlation_id: bytes, value: bytes) -> Message:
    headers = (
        ("x-plt-kafka-hooks-correlation-id", correlation_id),
        ("x-status-code", b"201"),
        ("content-type", b"text/x"),
    )
    return Message("responses", 0, 0, None, value, headers, 0)
