"""WSGI applications over sockets, on both engines: PEP 3333, disconnecting clients, bodies of every size."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any
from wsgiref.validate import validator

import pytest
from flask import Flask, request
from harness.context import PATIENCE, Worker, exchange, ready

from pywatt.worker.asgi.serve_asgi import EngineName, serve_asgi
from pywatt.worker.wsgi.asgi_adapter import AsgiAdapter

pytestmark = pytest.mark.anyio

THREADS = 3
CLOSE = b"Connection: close\r\n\r\n"
Start = Callable[..., Callable[[bytes], object]]
Environ = dict[str, Any]


@pytest.fixture(params=EngineName)
def engine(request: pytest.FixtureRequest) -> EngineName:
    return EngineName(request.param)


@contextlib.asynccontextmanager
async def serving(app: Any, engine: EngineName, threads: int = THREADS) -> AsyncIterator[Worker]:
    application = AsgiAdapter(app, threads=threads)
    async with ready(lambda context: serve_asgi(application, context, engine=engine)) as worker:
        yield worker


async def happened(event: threading.Event) -> None:
    assert await asyncio.to_thread(event.wait, PATIENCE)


def get(path: str = "/", method: str = "GET", headers: str = "") -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}".encode() + CLOSE


def chunked(*pieces: bytes) -> bytes:
    head = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n" + CLOSE
    return head + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


def body_of(answer: bytes) -> bytes:
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"chunked" not in head.lower():
        return body
    whole = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        whole += body[: int(size, 16)]
        body = body[int(size, 16) + 2 :]
    return whole


class Closing:
    """A response that records its close."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self.parts = parts
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[bytes]:
        return self.parts

    def close(self) -> None:
        self.closed.set()


@pytest.mark.parametrize(
    "sent",
    [
        get(),
        get("/a%20b/%C3%A9?x=%20", headers="X-A: 1\r\nX-A: 2\r\nCookie: a=1\r\n"),
        get(method="HEAD"),
        get(method="OPTIONS"),
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n" + CLOSE + b"body",
        chunked(b"bo", b"dy"),
    ],
)
async def test_the_validator_of_the_standard_library_finds_nothing(engine: EngineName, sent: bytes) -> None:
    def app(environ: Environ, start_response: Start) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [b"read ", body]

    async with serving(validator(app), engine) as worker:
        answer = await exchange(worker.port, sent)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    if b"body" in sent or b"chunked" in sent:
        assert body_of(answer) == b"read body"


@pytest.mark.parametrize("size", [0, 1, 100_000, 3_000_000])
async def test_chunked_bodies_arrive(engine: EngineName, size: int) -> None:
    app = Flask("it")

    @app.post("/")
    def it() -> str:
        return f"{len(request.get_data())} {request.content_length}"

    pieces = [b"x" * 50_000] * (size // 50_000) + [b"x" * (size % 50_000)] * (size % 50_000 > 0)
    async with serving(app, engine) as worker:
        assert body_of(await exchange(worker.port, chunked(*pieces))) == f"{size} {size}".encode()


async def test_the_input_reads_like_a_file(engine: EngineName) -> None:
    def app(environ: Environ, start_response: Start) -> list[bytes]:
        file = environ["wsgi.input"]
        assert environ["wsgi.input_terminated"] is True
        start_response("200 OK", [])
        return [repr((file.read(2), file.readline(), file.readlines(), file.read(), file.read(5))).encode()]

    expected = repr((b"ab", b"c\n", [b"d\n", b"e"], b"", b"")).encode()
    with_length = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 7\r\n" + CLOSE + b"abc\nd\ne"
    async with serving(app, engine) as worker:
        assert body_of(await exchange(worker.port, with_length)) == expected
        assert body_of(await exchange(worker.port, chunked(b"abc", b"\nd\ne"))) == expected
        assert body_of(await exchange(worker.port, get())) == repr((b"", b"", [], b"", b"")).encode()


async def test_a_body_that_is_asked_for_comes(engine: EngineName) -> None:
    def app(environ: Environ, start_response: Start) -> list[bytes]:
        start_response("200 OK", [])
        return [environ["wsgi.input"].read() if environ["PATH_INFO"] == "/read" else b"not wanted"]

    head = b"POST %b HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n" + CLOSE
    async with serving(app, engine) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(head % b"/read")
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
            writer.write(b"ab")
            assert (await reader.read()).endswith(b"ab")
        writer.close()


async def test_what_is_not_read_is_not_received(engine: EngineName) -> None:
    may_read = threading.Event()
    size = 64 * 1024 * 1024

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        may_read.wait()
        start_response("200 OK", [])
        return [str(sum(len(piece) for piece in iter(lambda: environ["wsgi.input"].read(100_000), b""))).encode()]

    async with serving(app, engine) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.transport.set_write_buffer_limits(high=0)
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n" % size + CLOSE)
        sent = 0
        with contextlib.suppress(TimeoutError):
            while sent < size:
                writer.write(bytes(1024 * 1024))
                sent += 1024 * 1024
                async with asyncio.timeout(1.0):
                    await writer.drain()
        assert sent < size / 2
        may_read.set()
        writer.write(bytes(size - sent))
        async with asyncio.timeout(PATIENCE):
            assert body_of(await reader.read()) == str(size).encode()
        writer.close()


async def test_a_stream_waits_for_its_client(engine: EngineName) -> None:
    made = 0

    def parts() -> Iterator[bytes]:
        nonlocal made
        for _ in range(64):
            made += 1
            yield bytes(1024 * 1024)

    def app(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        return parts()

    async with serving(app, engine) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port, limit=1024)
        writer.write(get())
        before = -1
        while before < made or not made:  # until it stands still
            before = made
            await asyncio.to_thread(threading.Event().wait, 0.3)
        assert made < 32
        async with asyncio.timeout(PATIENCE):
            assert len(body_of(await reader.read())) == 64 * 1024 * 1024
        writer.close()


async def test_streams_whose_clients_leave_are_closed(engine: EngineName) -> None:
    responses: list[Closing] = []

    def ticks() -> Iterator[bytes]:
        yield b"tick"
        while not threading.Event().wait(0.01):
            yield b"tick"

    def app(environ: Environ, start_response: Start) -> Any:
        start_response("200 OK", [("Content-Type", "text/event-stream")])
        if environ["PATH_INFO"] == "/ok":
            return [b"ok"]
        responses.append(Closing(ticks()))
        return responses[-1]

    async with serving(app, engine) as worker:
        for _ in range(4 * THREADS):
            reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
            writer.write(get())
            async with asyncio.timeout(PATIENCE):
                await reader.readuntil(b"tick")
            writer.close()
            await happened(responses[-1].closed)
        assert body_of(await exchange(worker.port, get("/ok"))) == b"ok"
    assert len(responses) == 4 * THREADS


async def test_streams_that_block_though_their_clients_left_hold_up_nobody(engine: EngineName) -> None:
    go_on = threading.Event()
    responses: list[Closing] = []

    def blocked() -> Iterator[bytes]:
        yield b"tick"
        go_on.wait()
        yield b"tock"

    def app(environ: Environ, start_response: Start) -> Any:
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/ok":
            return [b"ok"]
        responses.append(Closing(blocked()))
        return responses[-1]

    async with serving(app, engine) as worker:
        try:
            for _ in range(4 * THREADS):
                reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
                writer.write(get())
                async with asyncio.timeout(PATIENCE):
                    await reader.readuntil(b"tick")
                writer.close()
            assert body_of(await exchange(worker.port, get("/ok"))) == b"ok"
        finally:
            go_on.set()
        for response in responses:
            await happened(response.closed)


async def test_uploads_whose_clients_leave_free_their_threads(engine: EngineName) -> None:
    begun, ended = threading.Semaphore(0), threading.Semaphore(0)

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        if environ["PATH_INFO"] != "/ok":
            begun.release()
            try:
                environ["wsgi.input"].read()
            finally:
                ended.release()
        start_response("200 OK", [])
        return [b"ok"]

    async with serving(app, engine) as worker:
        for _ in range(4 * THREADS):
            _, writer = await asyncio.open_connection("127.0.0.1", worker.port)
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nab")
            assert await asyncio.to_thread(begun.acquire, timeout=PATIENCE)
            writer.close()
            assert await asyncio.to_thread(ended.acquire, timeout=PATIENCE)
        assert body_of(await exchange(worker.port, get("/ok"))) == b"ok"


async def test_requests_beyond_the_threads_wait(engine: EngineName) -> None:
    together = threading.Barrier(THREADS)
    running = most = 0
    lock = threading.Lock()

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        together.wait(PATIENCE)
        with lock:
            running -= 1
        start_response("200 OK", [])
        return [b"ok"]

    async with serving(app, engine) as worker:
        answers = await asyncio.gather(*(exchange(worker.port, get()) for _ in range(4 * THREADS)))
    assert [body_of(answer) for answer in answers] == [b"ok"] * 4 * THREADS
    assert most == THREADS


def _raises(environ: Environ, start_response: Start) -> list[bytes]:
    raise KeyError("x")


def _raises_after_start(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("200 OK", [])
    raise KeyError("x")


def _raises_in_generator(environ: Environ, start_response: Start) -> Iterator[bytes]:
    start_response("200 OK", [])
    yield b""
    raise KeyError("x")


def _exits(environ: Environ, start_response: Start) -> list[bytes]:
    raise SystemExit(3)


def _never_starts(environ: Environ, start_response: Start) -> list[bytes]:
    return [b"x"]


def _starts_twice(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("200 OK", [])
    start_response("200 OK", [])
    return [b"x"]


def _gives_text(environ: Environ, start_response: Start) -> list[Any]:
    start_response("200 OK", [])
    return ["text"]


def _splits_the_head(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("200 OK", [("X-A", "a\r\nX-B: b")])
    return [b"x"]


def _has_no_status(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("OK", [])
    return [b"x"]


def _is_too_long(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "1")])
    return [b"xx"]


def _is_too_short(environ: Environ, start_response: Start) -> list[bytes]:
    start_response("200 OK", [("Content-Length", "1")])
    return []


@pytest.mark.parametrize(
    "app",
    [
        _raises,
        _raises_after_start,
        _raises_in_generator,
        _exits,
        _never_starts,
        _starts_twice,
        _gives_text,
        _splits_the_head,
        _has_no_status,
        _is_too_long,
        _is_too_short,
    ],
)
async def test_what_fails_before_the_first_byte_is_a_500(engine: EngineName, app: Any) -> None:
    async with serving(app, engine, threads=1) as worker:
        for _ in range(3):
            assert (await exchange(worker.port, get())).startswith(b"HTTP/1.1 500 ")


async def test_what_fails_later_breaks_off(engine: EngineName) -> None:
    def app(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response("200 OK", [])
        yield b"begun"
        raise KeyError("x")

    async with serving(app, engine, threads=1) as worker:
        for _ in range(3):
            answer = await exchange(worker.port, get())
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert b"begun" in answer
            assert not answer.endswith(b"0\r\n\r\n")


async def test_a_failing_close_costs_no_answer(engine: EngineName) -> None:
    class Failing(Closing):
        def close(self) -> None:
            raise KeyError("x")

    def app(environ: Environ, start_response: Start) -> Closing:
        start_response("200 OK", [("Content-Length", "2")])
        return Failing(iter([b"ok"]))

    async with serving(app, engine) as worker:
        assert body_of(await exchange(worker.port, get())) == b"ok"


async def test_an_error_page_replaces_a_head_that_was_not_sent(engine: EngineName) -> None:
    import sys

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        try:
            start_response("200 OK", [("X-A", "a")])
            raise KeyError("x")
        except KeyError:
            start_response("503 Busy", [("X-B", "b")], sys.exc_info())
            return [b"busy"]

    async with serving(app, engine) as worker:
        answer = await exchange(worker.port, get())
    assert answer.startswith(b"HTTP/1.1 503 ")
    assert b"x-b: b" in answer
    assert b"x-a" not in answer
    assert body_of(answer) == b"busy"


async def test_write_sends_at_once(engine: EngineName) -> None:
    read = threading.Event()

    def app(environ: Environ, start_response: Start) -> list[bytes]:
        write = start_response("200 OK", [])
        write(b"one")
        assert read.wait(PATIENCE)
        write(b"two")
        return [b"three"]

    async with serving(app, engine) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(get())
        async with asyncio.timeout(PATIENCE):
            first = await reader.readuntil(b"one")
            read.set()
            assert body_of(first + await reader.read()) == b"onetwothree"
        writer.close()


@pytest.mark.parametrize("parts", [[], [b""], [b"", b""], ()])
async def test_empty_answers_have_a_length(engine: EngineName, parts: Any) -> None:
    def app(environ: Environ, start_response: Start) -> Any:
        start_response("200 OK", [])
        return parts

    async with serving(app, engine) as worker:
        answer = await exchange(worker.port, get())
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"content-length: 0\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified", "200 OK"])
async def test_answers_without_a_body_have_none(engine: EngineName, status: str) -> None:
    def endless(environ: Environ, start_response: Start) -> Iterator[bytes]:
        start_response(status, [("Connection", "keep-alive"), ("Keep-Alive", "1"), ("Content-Type", "x/y")])
        while True:
            yield b"x"

    sent = get(method="HEAD" if status.startswith("200") else "GET")
    async with serving(endless, engine) as worker:
        answer = await exchange(worker.port, sent)
    assert answer.startswith(f"HTTP/1.1 {status[:3]} ".encode())
    assert answer.endswith(b"\r\n\r\n")
    assert b"keep-alive" not in answer.lower()
    assert b"content-type: x/y" in answer


async def test_files_are_wrapped(engine: EngineName, tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(range(256)) * 1000)

    def app(environ: Environ, start_response: Start) -> Any:
        start_response("200 OK", [])
        return environ["wsgi.file_wrapper"](path.open("rb"), 10_000)

    async with serving(app, engine) as worker:
        assert body_of(await exchange(worker.port, get())) == path.read_bytes()


async def test_one_request_has_one_context_and_one_thread(engine: EngineName) -> None:
    name: ContextVar[str] = ContextVar("name", default="nobody")
    threads: set[int] = set()

    class Parts(Closing):
        def close(self) -> None:
            threads.add(threading.get_ident())
            assert name.get() == "it"
            super().close()

    def parts() -> Iterator[bytes]:
        for _ in range(3):
            threads.add(threading.get_ident())
            yield name.get().encode()

    made: list[Parts] = []

    def app(environ: Environ, start_response: Start) -> Parts:
        assert name.get() == "nobody"
        name.set("it")
        start_response("200 OK", [])
        made.append(Parts(parts()))
        return made[-1]

    async with serving(app, engine) as worker:
        for _ in range(3):
            threads.clear()
            assert body_of(await exchange(worker.port, get())) == b"ititit"
            await happened(made[-1].closed)
            assert len(threads) == 1


async def test_websockets_are_refused(engine: EngineName) -> None:
    def app(environ: Environ, start_response: Start) -> list[bytes]:
        raise AssertionError("not called")

    handshake = (
        "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    async with serving(app, engine) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(handshake.encode())
        async with asyncio.timeout(PATIENCE):
            assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
        writer.close()


async def test_django_is_served(engine: EngineName) -> None:
    import django
    from django.conf import settings
    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
    from django.urls import path

    def it(request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"{request.path} {len(request.body)}".encode())

    def stream(request: HttpRequest) -> StreamingHttpResponse:
        return StreamingHttpResponse(iter([b"one", b"two"]))

    if not settings.configured:
        settings.configure(
            ROOT_URLCONF=type("urls", (), {"urlpatterns": [path("", it), path("stream", stream)]}),
            ALLOWED_HOSTS=["*"],
            SECRET_KEY="of the test",
            DATA_UPLOAD_MAX_MEMORY_SIZE=10_000_000,
            LOGGING_CONFIG=None,
        )
        django.setup()
    async with serving(WSGIHandler(), engine) as worker:
        assert body_of(await exchange(worker.port, get())) == b"/ 0"
        assert body_of(await exchange(worker.port, chunked(b"x" * 3_000_000))) == b"/ 3000000"
        assert body_of(await exchange(worker.port, get("/stream"))) == b"onetwo"
