"""Answers to requests, and the records written to Kafka for them, with a recording writer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from anyio.abc import TaskGroup

from pywatt_kafka import (
    ConnectionState,
    ConnectionStatus,
    Headers,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    Message,
    NotAuthorized,
    RecordPosition,
    RecordTooLarge,
    UnknownTopic,
)
from pywatt_services.diagnostics.log_throttle import LogThrottle
from pywatt_services.kafka_hooks.config.options import RequestReplyOptions
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.http.routes import PathPattern, Routes
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.publishing.publisher import Publisher
from pywatt_services.kafka_hooks.request_reply import RequestReply
from pywatt_services.kafka_hooks.request_router import RequestRouter

pytestmark = pytest.mark.anyio

CONNECTED = ConnectionStatus(ConnectionState.CONNECTED)
AWAY = ConnectionStatus(ConnectionState.AWAY, "no broker answers")
ROUTE = RequestReplyOptions(
    path=PathPattern.parse("/api/process/:id"), request_topic="requests", response_topic="responses", timeout=30.0
)
HURRIED = RequestReplyOptions(
    path=PathPattern.parse("/hurried"), request_topic="requests", response_topic="responses", timeout=0.01
)


Written = tuple[str, bytes | None, bytes | None, Headers]


@dataclass
class Writer:
    """A recording producer."""

    status: ConnectionStatus = CONNECTED
    error: KafkaError | None = None
    written: list[Written] = field(default_factory=list)

    def post(
        self,
        topic: str,
        value: bytes | None,
        done: Callable[[RecordPosition | KafkaError], None],
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        if self.error is not None:
            done(self.error)
        else:
            self.written.append((topic, value, key, headers))
            done(RecordPosition(topic, 0, len(self.written) - 1))


@dataclass
class Reader:
    """A reader of the response topics that is up to date."""

    status: ConnectionStatus = CONNECTED
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def ready(self) -> bool:
        return self.is_ready.is_set()

    async def wait_ready(self) -> None:
        await self.is_ready.wait()


class Waiting:
    """The client's side of one exchange."""

    def __init__(self) -> None:
        self.exchange = HooksExchange(self)
        self.answer: asyncio.Future[HttpResponse] = asyncio.get_running_loop().create_future()

    is_same_user = True

    def respond(self, response: HttpResponse) -> None:
        self.answer.set_result(response)


class Client:
    """Calls the application."""

    def __init__(self, tasks: TaskGroup, writer: Writer | None = None, reader: Reader | None = None) -> None:
        self.writer = writer or Writer()
        if reader is None:
            reader = Reader()
            reader.is_ready.set()
        publisher = Publisher(self.writer, PublishOptions(topics=frozenset({"orders", "responses"})))
        self.replies = RequestReply(publisher, reader, tasks, new_id=lambda: "id-1")
        routes = Routes([(route.path, route) for route in (ROUTE, HURRIED)])
        self.application = RequestRouter(publisher, self.replies, routes)

    def begin(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Iterable[tuple[bytes, bytes]] = (),
        query: bytes = b"",
    ) -> Waiting:
        waiting = Waiting()
        target = f"{path}?{query.decode()}" if query else path
        self.application.handle(Request(method, path, query, list(headers), body, target), waiting.exchange)
        return waiting

    async def answer(self, *args: Any, **kwargs: Any) -> tuple[int, dict[bytes, bytes], bytes]:
        async with asyncio.timeout(5):
            answer = await self.begin(*args, **kwargs).answer
        return answer.status, dict(answer.headers), answer.body


@pytest.fixture
async def tasks() -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as group:
        yield group
        group.cancel_scope.cancel()


@pytest.fixture
def client(tasks: TaskGroup) -> Client:
    return Client(tasks)


async def test_publish_is_accepted_without_a_body_and_written_with_key_and_headers(client: Client) -> None:
    headers = [(b"accept", b"*/*"), (b"content-type", b"text/plain"), (b"x-plt-kafka-hooks-key", b"k")]
    assert await client.answer("POST", "/topics/orders", b"ab", headers) == (202, {}, b"")
    assert client.writer.written == [("orders", b"ab", b"k", [("content-type", b"text/plain"), ("accept", b"*/*")])]


@pytest.mark.parametrize(("headers", "value"), [([(b"x-plt-kafka-hooks-key", b"k")], None), ([], b"")])
async def test_empty_body_with_a_key_is_a_record_without_value(
    client: Client, headers: list[tuple[bytes, bytes]], value: bytes | None
) -> None:
    assert (await client.answer("POST", "/topics/orders", headers=headers))[0] == 202
    assert client.writer.written[0][1] == value


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
async def test_not_found(client: Client, method: str, path: str, query: bytes, body: bytes) -> None:
    status, headers, sent = await client.answer(method, path, query=query)
    assert (status, sent) == (404, body)
    assert headers == {b"content-type": b"application/json; charset=utf-8"}
    assert not client.writer.written


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (KafkaUnavailable("no acknowledgement"), 503),
        (UnknownTopic("no such topic"), 503),
        (RecordTooLarge("too large"), 413),
        (InvalidRecord("a key is missing"), 400),
        (NotAuthorized("not allowed"), 500),
    ],
)
async def test_record_that_is_not_acknowledged_is_not_accepted(
    tasks: TaskGroup, error: KafkaError, status: int
) -> None:
    answered, headers, _ = await Client(tasks, Writer(error=error)).answer("POST", "/topics/orders", b"x")
    assert answered == status
    assert (headers.get(b"retry-after") == b"1") == (status == 503)


@pytest.mark.parametrize("path", ["/topics/orders", "/api/process/1"])
async def test_answer_is_503_at_once_while_kafka_is_away(tasks: TaskGroup, path: str) -> None:
    client = Client(tasks, Writer(status=AWAY))
    status, headers, body = await client.answer("POST", path, b"x")
    assert (status, headers[b"retry-after"]) == (503, b"1")
    assert json.loads(body) == {
        "code": "HTTP_ERROR_SERVICE_UNAVAILABLE",
        "statusCode": 503,
        "error": "Service Unavailable",
        "message": "Kafka is away: no broker answers",
    }
    assert not client.writer.written


@pytest.mark.parametrize("path", ["/topics/orders", "/api/process/1"])
async def test_key_that_is_not_base64_though_it_says_so(client: Client, path: str) -> None:
    headers = [(b"x-plt-kafka-hooks-key", b"!"), (b"x-plt-kafka-hooks-key-encoding", b"base64")]
    assert (await client.answer("POST", path, b"x", headers=headers))[0] == 400


async def test_request_is_written_and_answered_with_its_reply(client: Client) -> None:
    headers = [(b"authorization", b"secret"), (b"content-type", b"text/plain"), (b"x-plt-kafka-hooks-key", b"k")]
    waiting = client.begin("POST", "/api/process/a%20b", b"job", headers, b"a=1&b=2&a=%C3%A4")
    assert client.writer.written == [
        (
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
    ]
    client.replies.arrived(reply(b"id-2", b"someone else's"))
    assert not waiting.answer.done()
    client.replies.arrived(reply(b"id-1", b"done"))
    client.replies.arrived(reply(b"id-1", b"done twice"))
    assert waiting.answer.result() == HttpResponse(201, ((b"content-type", b"text/x"),), b"done")
    assert client.replies.waiting == 0


async def test_request_without_reply_times_out(client: Client) -> None:
    status, _, body = await client.answer("POST", "/hurried", b"x")
    assert status == 504
    assert body == (
        b'{"code":"HTTP_ERROR_GATEWAY_TIMEOUT","statusCode":504,"error":"Gateway Timeout","message":"Request timeout"}'
    )
    assert client.replies.waiting == 0


async def test_request_whose_client_went_away_is_forgotten(client: Client) -> None:
    waiting = client.begin("POST", "/api/process/1", b"x")
    assert client.replies.waiting == 1
    waiting.exchange.abandon()
    assert client.replies.waiting == 0
    client.replies.arrived(reply(b"id-1", b"too late"))
    assert not waiting.answer.done()


async def test_request_is_not_written_while_replies_cannot_be_read(tasks: TaskGroup) -> None:
    client = Client(tasks, reader=Reader(AWAY))
    assert (await client.answer("POST", "/api/process/1", b"x"))[0] == 503
    assert not client.writer.written


async def test_request_waits_until_replies_are_read(tasks: TaskGroup) -> None:
    reader = Reader()
    client = Client(tasks, reader=reader)
    waiting, left = (client.begin("POST", "/api/process/1", b"x") for _ in range(2))
    await anyio.lowlevel.checkpoint()
    assert not client.writer.written
    left.exchange.abandon()
    reader.is_ready.set()
    await anyio.wait_all_tasks_blocked()
    assert len(client.writer.written) == 1
    client.replies.arrived(reply(b"id-1", b"done"))
    assert waiting.answer.result().body == b"done"


async def test_replies_without_correlation_id_are_told_now_and_then(
    tasks: TaskGroup, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    replies = RequestReply(Publisher(Writer(), PublishOptions()), Reader(), tasks, throttle=LogThrottle(lambda: now))
    for offset in range(5):
        replies.arrived(Message("responses", 1, offset, None, b"x", (), 0))
    now = 10.0
    replies.arrived(Message("responses", 1, 5, None, b"x", (), 0))
    assert [record.getMessage() for record in caplog.records] == [
        "Response message missing correlation ID: responses[1]@0 (1 so far)",
        "Response message missing correlation ID: responses[1]@5 (6 so far)",
    ]


def reply(correlation_id: bytes, value: bytes) -> Message:
    headers = (
        ("x-plt-kafka-hooks-correlation-id", correlation_id),
        ("x-status-code", b"201"),
        ("content-type", b"text/x"),
    )
    return Message("responses", 0, 0, None, value, headers, 0)
