"""A stop finishes requests, asks clients to disconnect, and cuts off the rest at its limit."""

from __future__ import annotations

import asyncio
import logging
from functools import partial

import pytest
from harness.applications import Echo, EndlessStream, Gate, Recorder
from harness.context import PATIENCE, ready, settle
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from pywatt.worker.asgi.serve_asgi import EngineName, serve_asgi

pytestmark = pytest.mark.anyio

REQUEST = b"GET /it HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("engine", EngineName)
async def test_a_request_in_flight_is_answered(engine: EngineName) -> None:
    gate = Gate()
    async with ready(partial(serve_asgi, gate, engine=engine)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        await gate.entered.wait()
        worker.context.stop()
        await settle()
        assert not worker.task.done()
        gate.opened.set()
        answer = await reader.read()
        writer.close()
        await worker.ended()
    assert answer.endswith(b"done")
    assert engine is EngineName.HYPERCORN or b"connection: close" in answer


async def test_nothing_is_accepted_any_more_while_requests_finish() -> None:
    gate = Gate()
    async with ready(partial(serve_asgi, gate)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        await gate.entered.wait()
        worker.context.stop()
        await settle()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", worker.port)
        gate.opened.set()
        await reader.read()
        writer.close()


async def test_a_busy_client_learns_of_the_stop_by_an_answer() -> None:
    app = Recorder()
    async with ready(partial(serve_asgi, app)) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        first = await reader.readuntil(b"\r\n\r\n")
        worker.context.stop()
        await settle()
        writer.write(REQUEST)
        second = await reader.read()
        writer.close()
    assert b"connection: close" not in first
    assert b"connection: close" in second
    assert len(app.requests) == 2


async def test_idle_connections_do_not_hold_up_the_end() -> None:
    async with ready(partial(serve_asgi, Recorder())) as worker:
        reader, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        await worker.stop()
        assert await reader.read() == b""
        writer.close()


@pytest.mark.parametrize("engine", EngineName)
@pytest.mark.parametrize("heeds_disconnect", [False, True])
async def test_an_endless_stream_is_cut_off_without_noise(
    engine: EngineName, heeds_disconnect: bool, caplog: pytest.LogCaptureFixture
) -> None:
    app = EndlessStream(heeds_disconnect=heeds_disconnect)
    async with ready(partial(serve_asgi, app, engine=engine)) as worker:
        _, writer = await asyncio.open_connection("127.0.0.1", worker.port)
        writer.write(REQUEST)
        await app.entered.wait()
        started = asyncio.get_running_loop().time()
        await worker.stop(timeout=1.0)
        took = asyncio.get_running_loop().time() - started
        writer.close()
    assert 0.7 < took < PATIENCE / 4
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []
    if engine is EngineName.UVICORN:
        assert app.ended_by == (["http.disconnect"] if heeds_disconnect else ["cancelled"])


async def test_websockets_are_told_that_the_service_restarts() -> None:
    app = Echo()
    async with ready(partial(serve_asgi, app)) as worker:
        async with connect(f"ws://127.0.0.1:{worker.port}/") as websocket:
            worker.context.stop()
            with pytest.raises(ConnectionClosed) as closed:
                await websocket.recv()
        await worker.ended()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert app.disconnected_with[0] == 1012
