"""A replaced worker drains its clients within a limit."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from harness.applications import Echo, EndlessStream, Events, Gate, Recorder
from harness.context import ready, settle
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pywatt.worker.asgi.drain import IDLE_GRACE
from pywatt.worker.asgi.serve_asgi import EngineName, serve_asgi

pytestmark = pytest.mark.anyio

REQUEST = b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n"
LIMIT = 2.5
"""Seconds until a stop times out."""


@pytest.mark.parametrize("engine", EngineName)
async def test_an_idle_connection_stays_for_its_next_request(engine: EngineName) -> None:
    app = Recorder()
    async with ready(partial(serve_asgi, app, engine=engine)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        first = await reader.readuntil(b"\r\n\r\n")
        worker.context.stop(60, linger=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2 * IDLE_GRACE):
                await reader.read()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        second = await reader.read()
        writer.close()
        await worker.ended()
    assert b"connection: close" not in first
    assert b"connection: close" in second
    assert len(app.requests) == 2


@pytest.mark.parametrize("engine", EngineName)
async def test_who_was_not_told_to_go_may_send_one_request_more(engine: EngineName) -> None:
    class Streaming(Gate):
        async def __call__(self, scope, receive, send):  # type: ignore[no-untyped-def]
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
            self.entered.set()
            await self.opened.wait()
            await send({"type": "http.response.body", "body": b"done"})

    app = Streaming()
    async with ready(partial(serve_asgi, app, engine=engine)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        await app.entered.wait()
        worker.context.stop(60, linger=True)
        await settle()
        app.opened.set()
        first = await reader.readuntil(b"0\r\n\r\n")
        writer.write(REQUEST)
        second = await reader.read()
        writer.close()
        await worker.ended()
    assert b"connection: close" not in first
    assert b"connection: close" in second
    assert second.endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("engine", EngineName)
async def test_a_websocket_goes_on_and_is_told_to_come_back_at_the_end(engine: EngineName) -> None:
    app = Echo()
    async with ready(partial(serve_asgi, app, engine=engine)) as worker:
        async with connect(f"ws://127.0.0.1:{worker.port}/") as websocket:
            worker.context.stop(LIMIT, linger=True)
            await settle()
            await websocket.send("still there")
            assert await websocket.recv() == "still there"
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.recv()
        await worker.ended()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert len(app.disconnected_with) == 1


@pytest.mark.parametrize("engine", EngineName)
async def test_an_event_stream_ends_as_if_the_application_had_ended_it(
    engine: EngineName, caplog: pytest.LogCaptureFixture
) -> None:
    app = Events()
    async with ready(partial(serve_asgi, app, engine=engine)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        await app.entered.wait()
        worker.context.stop(LIMIT, linger=True)
        answer = await reader.read()
        writer.close()
        await worker.ended()
    assert answer.endswith(b"data: 1\n\n\r\n0\r\n\r\n")
    assert app.ended_by == ["http.disconnect"]
    assert caplog.records == []


@pytest.mark.parametrize("engine", EngineName)
async def test_any_other_stream_is_seen_to_be_cut_off(engine: EngineName) -> None:
    app = EndlessStream()
    async with ready(partial(serve_asgi, app, engine=engine)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        await app.entered.wait()
        worker.context.stop(LIMIT, linger=True)
        answer = b""
        try:
            while piece := await reader.read(1000):
                answer += piece
        except ConnectionResetError:
            pass
        writer.close()
        await worker.ended()
    assert answer.endswith(b"first\r\n")


@pytest.mark.parametrize("engine", EngineName)
async def test_lingering_ends_when_the_app_stops(engine: EngineName) -> None:
    async with ready(partial(serve_asgi, Recorder(), engine=engine)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        worker.context.stop(3600, linger=True)
        await settle()
        assert not worker.task.done()
        worker.context.stop(10)
        assert await reader.read() == b""
        writer.close()
        await worker.ended()
