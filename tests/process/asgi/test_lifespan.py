"""An application's startup and shutdown, and their failures."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial

import pytest
from harness.applications import answer
from harness.context import exchange, ready, start
from quart import Quart
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from pywatt.errors import StartError
from pywatt.worker.asgi.serve_asgi import Application, EngineName, Receive, Scope, Send, serve_asgi

pytestmark = pytest.mark.anyio

REQUEST = b"GET /it HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def database_is_away() -> None:
    raise ConnectionError("the database is away")


def failing_starlette() -> Application:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        database_is_away()
        yield

    return Starlette(lifespan=lifespan)


def failing_quart() -> Application:
    app = Quart("failing")

    @app.before_serving
    async def start() -> None:
        database_is_away()

    return app  # type: ignore[return-value]


@pytest.mark.parametrize("make", [failing_starlette, failing_quart])
@pytest.mark.parametrize("engine", EngineName)
async def test_a_failure_to_start_comes_out_with_the_apps_frames(
    make: Callable[[], Application], engine: EngineName
) -> None:
    async with start(partial(serve_asgi, make(), engine=engine)) as worker:
        with pytest.raises(ExceptionGroup) as raised:
            await worker.ended()
    (error,) = raised.value.exceptions
    assert isinstance(error, ConnectionError)
    assert "database_is_away" in [frame.name for frame in traceback.extract_tb(error.__traceback__)]
    assert not worker.context.is_ready.is_set()


async def test_a_failure_without_an_exception_tells_its_message() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no disk"})

    async with start(partial(serve_asgi, app)) as worker:
        with pytest.raises(ExceptionGroup) as raised:
            await worker.ended()
    (error,) = raised.value.exceptions
    assert isinstance(error, StartError)
    assert str(error) == "the app sent lifespan.startup.failed: no disk"


@pytest.mark.parametrize("engine", EngineName)
async def test_state_and_order(engine: EngineName) -> None:
    events: list[str] = []

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[dict[str, str]]:
        events.append("start")
        yield {"pool": "open"}
        events.append("end")

    async def it(request: Request) -> PlainTextResponse:
        events.append(request.state.pool)
        return PlainTextResponse("")

    app = Starlette(routes=[Route("/it", it)], lifespan=lifespan)
    async with ready(partial(serve_asgi, app, engine=engine)) as worker:
        events.append("ready")
        await exchange(worker.port, REQUEST)
    assert events == ["start", "ready", "open", "end"]


@pytest.mark.parametrize("reads_first", [False, True])
async def test_an_application_without_lifespan_is_served(reads_first: bool, caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if reads_first:
            await receive()
        assert scope["type"] == "http"
        await answer(send, b"")

    async with ready(partial(serve_asgi, app)) as worker:
        assert (await exchange(worker.port, REQUEST)).startswith(b"HTTP/1.1 200 ")
    # One that took the event may have failed in its start: that is told, though ASGI says to go on.
    assert [record.levelname for record in caplog.records] == (["WARNING"] if reads_first else [])


async def test_a_lifespan_that_fails_while_serving_ends_the_service() -> None:
    dies = asyncio.Event()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(background())
            yield

    async def background() -> None:
        await dies.wait()
        raise RuntimeError("the background task is dead")

    async with start(partial(serve_asgi, Starlette(lifespan=lifespan))) as worker:
        await worker.context.is_ready.wait()
        dies.set()
        with pytest.raises(ExceptionGroup) as raised:
            await worker.ended()
    assert raised.value.subgroup(lambda error: "background task is dead" in str(error)) is not None


async def test_a_failure_to_end_comes_out() -> None:
    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        yield
        raise RuntimeError("cannot flush")

    async with start(partial(serve_asgi, Starlette(lifespan=lifespan))) as worker:
        await worker.context.is_ready.wait()
        with pytest.raises(ExceptionGroup) as raised:
            await worker.stop()
    (error,) = raised.value.exceptions
    assert str(error) == "cannot flush"


async def test_an_application_that_never_leaves_its_lifespan_does_not_hold_up_the_end() -> None:
    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            await send({"type": f"{event['type']}.complete"})

    async with ready(partial(serve_asgi, app)):
        pass


@pytest.mark.parametrize("engine", EngineName)
async def test_a_stop_ends_a_start_that_takes_long(engine: EngineName) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        yield

    async with start(partial(serve_asgi, Starlette(lifespan=lifespan), engine=engine)) as worker:
        await begun.wait()
        worker.context.stop()
        await worker.ended()
    assert ended.is_set()
