"""A directly reached service rejects the same requests as the gateway, with the same statuses, on every engine."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from harness.applications import Recorder
from harness.context import PATIENCE, Worker, exchange, ready
from harness.verdicts import ACCEPTED, refused, request

from pywatt.http.limits import HeadLimits
from pywatt.worker.asgi.serve_asgi import EngineName, serve_asgi
from pywatt.worker.wsgi.asgi_adapter import AsgiAdapter

pytestmark = pytest.mark.anyio

REFUSED = refused(HeadLimits())
STATUS = re.compile(rb"HTTP/1\.1 ([2-5][0-9][0-9]) ")
PREFACE = "HTTP/2 preface"
"""hypercorn speaks HTTP/2."""


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    body = environ["wsgi.input"].read()
    start_response("200 OK", [])
    return [f"{environ['REQUEST_METHOD']} {environ['REQUEST_URI']} {len(body)}".encode()]


@asynccontextmanager
async def serving(kind: str) -> AsyncIterator[Worker]:
    engine = EngineName(kind.removeprefix("wsgi on "))
    app: Any = AsgiAdapter(echo, threads=2) if "wsgi" in kind else Recorder()
    async with ready(lambda context: serve_asgi(app, context, engine=engine)) as worker:
        yield worker


@pytest.fixture(params=["uvicorn", "hypercorn", "wsgi on uvicorn", "wsgi on hypercorn"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def statuses(port: int, data: bytes) -> list[int]:
    """Return the statuses of all final answers, until the server closes."""
    return [int(status) for status in STATUS.findall(await exchange(port, data))]


@pytest.mark.parametrize("name", REFUSED)
async def test_is_refused_as_at_the_gateway(kind: str, name: str) -> None:
    if name == PREFACE and "hypercorn" in kind:
        pytest.skip("hypercorn speaks HTTP/2")
    status, data = REFUSED[name]
    async with serving(kind) as worker:
        for port in (worker.port, worker.public_port):
            assert await statuses(port, data) == [status]


@pytest.mark.parametrize("name", ACCEPTED)
async def test_is_accepted_as_at_the_gateway(kind: str, name: str) -> None:
    if name == "upgrade without a body" and "hypercorn" in kind:
        pytest.skip("hypercorn takes the upgrade to HTTP/2")
    last = request(b"GET /last HTTP/1.1", b"Connection: close")
    expected = [204, 200] if name == "asterisk" else [200] if name.startswith("HTTP/1.0") else [200, 200]
    async with serving(kind) as worker:
        assert await statuses(worker.port, ACCEPTED[name] + last) == expected


async def test_what_is_refused_behind_a_good_request_is_answered_after_it(kind: str) -> None:
    async with serving(kind) as worker:
        assert await statuses(worker.port, request() + REFUSED["no Host"][1] + request()) == [200, 400]


async def test_raw_characters_are_encoded_for_the_application() -> None:
    for engine in EngineName:
        app = Recorder()
        async with ready(lambda context, app=app, engine=engine: serve_asgi(app, context, engine=engine)) as worker:  # type: ignore[misc]
            await statuses(worker.port, request('GET /ä[b]/..?q="ü"[] HTTP/1.1'.encode(), b"Connection: close"))
        (scope,) = app.scopes
        assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
            "/ä[b]/..",
            b"/%C3%A4%5Bb%5D/..",
            b"q=%22%C3%BC%22[]",
        )


async def test_an_absolute_target_says_which_host(kind: str) -> None:
    for engine in EngineName:
        app = Recorder()
        async with ready(lambda context, app=app, engine=engine: serve_asgi(app, context, engine=engine)) as worker:  # type: ignore[misc]
            await statuses(worker.port, request(b"GET http://a.example:81/x?y HTTP/1.1", b"Connection: close"))
        (scope,) = app.scopes
        assert [value for name, value in scope["headers"] if name == b"host"] == [b"a.example:81"]
        assert (scope["path"], scope["query_string"]) == ("/x", b"y")


async def test_headers_that_could_be_taken_for_others_are_left_out() -> None:
    for engine in EngineName:
        app = Recorder()
        async with ready(lambda context, app=app, engine=engine: serve_asgi(app, context, engine=engine)) as worker:  # type: ignore[misc]
            await statuses(
                worker.port,
                request(b"GET / HTTP/1.1", b"Proxy: x", b"Content_Length: 3", b"A_B: c", b"Connection: close"),
            )
        (scope,) = app.scopes
        assert {name for name, _ in scope["headers"]} == {b"host", b"a_b", b"connection"}


async def test_http_1_0_gets_neither_100_nor_chunks(kind: str) -> None:
    data = request(b"POST / HTTP/1.0", b"Expect: 100-continue", b"Content-Length: 2", body=b"ab")
    async with serving(kind) as worker:
        answer = await exchange(worker.port, data)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"transfer-encoding" not in answer.lower()


async def test_a_stream_to_http_1_0_ends_with_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"Transfer-Encoding", b"chunked")]})
        for part in (b"one", b"", b"two"):
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body"})

    async with ready(lambda context: serve_asgi(app, context)) as worker:
        answer = await exchange(worker.port, request(b"GET / HTTP/1.0"))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert body == b"onetwo"
    assert b"chunked" not in head


async def test_a_refusal_reaches_who_is_still_sending(kind: str) -> None:
    async with serving(kind) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(b"GET / HTTP/1.1\r\nX: " + b"a" * 300_000)
        async with asyncio.timeout(PATIENCE):
            assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
        writer.close()
