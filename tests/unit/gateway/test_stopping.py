"""A gateway disconnects its clients: at the end of the app, and when another gateway has taken over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from harness.stops import Stops
from websockets.frames import Frame, Opcode

from pywatt.service_type import StopRequest
from pywatt.worker.asgi.drain import drain
from pywatt_services.gateway.tunnel.frames import CLOSE_SERVICE_RESTART

pytestmark = pytest.mark.anyio
Scene = Any

GET = b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n3\r\na\n\n\r\n"
DOWNLOAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
HANDSHAKE = (
    b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
LONG = 60.0
SHORT = 0.2
"""Seconds until a stop times out."""


@asynccontextmanager
async def stopping(scene: Scene, timeout: float, *, linger: bool = False) -> AsyncIterator[Stops]:
    """Stop the gateway; the actions of the test meanwhile must end it."""
    stops = Stops(StopRequest(timeout=timeout, linger=linger))
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        ended = tasks.create_task(drain(scene.server, stops, share=1))
        for _ in range(5):
            await asyncio.sleep(0)
        yield stops
        await ended


async def test_what_is_in_flight_is_answered(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    async with stopping(scene, LONG):
        scene.service.send(OK)
        written = transport.take()
        assert b"connection: close\r\n" in written
        assert written.endswith(b"ok")
        assert transport.closing


async def test_idle_connections_are_closed_soon_and_the_rest_is_cut_off_when_the_time_is_up(scene: Scene) -> None:
    _, idle = scene.connect()
    client, transport = scene.connect()
    client.data_received(GET)
    async with stopping(scene, SHORT):
        assert not idle.closing
    assert (idle.closing, idle.aborted) == (True, False)
    assert transport.aborted


async def test_an_idle_connection_stays_for_its_next_request_when_another_gateway_serves(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(OK)
    assert b"connection: close" not in transport.take()
    async with stopping(scene, LONG, linger=True):
        client.data_received(GET)
        scene.service.send(OK)
        assert b"connection: close\r\n" in transport.take()
        assert transport.closing


async def test_a_client_that_was_not_told_in_time_may_send_one_request_more(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(DOWNLOAD)
    async with stopping(scene, LONG, linger=True):
        scene.service.send(b"0\r\n\r\n")
        assert not transport.closing
        transport.take()
        client.data_received(GET)
        scene.service.send(OK)
        assert b"connection: close\r\n" in transport.take()
        assert transport.closing


async def test_without_time_to_linger_such_a_connection_is_closed(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(DOWNLOAD)
    async with stopping(scene, LONG):
        await scene.server.close_idle()
        scene.service.send(b"0\r\n\r\n")
        assert transport.closing
        assert transport.take().endswith(b"0\r\n\r\n")


def tunnel(scene: Scene) -> Any:
    client, transport = scene.connect()
    client.data_received(HANDSHAKE)
    scene.service.send(SWITCHING)
    assert transport.take().startswith(b"HTTP/1.1 101 ")
    return client, transport, scene.service


async def test_a_websocket_is_told_to_come_back_and_both_ends_close_it_properly(scene: Scene) -> None:
    client, transport, service = tunnel(scene)
    service.received()
    async with stopping(scene, LONG):
        assert transport.take() == CLOSE_SERVICE_RESTART
        reply = Frame(Opcode.CLOSE, b"\x03\xf4").serialize(mask=True)
        client.data_received(reply)
        assert service.received() == reply
        service.send(CLOSE_SERVICE_RESTART)
        assert transport.take() == b""
        assert not transport.closing
        service.close()
        assert transport.closing


async def test_a_frame_on_its_way_comes_whole_before_the_end(scene: Scene) -> None:
    _, transport, service = tunnel(scene)
    frame = Frame(Opcode.TEXT, b"x" * 300).serialize(mask=False)
    service.send(frame[:100])
    async with stopping(scene, LONG):
        assert transport.take() == frame[:100]
        service.send(frame[100:200])
        assert transport.take() == frame[100:200]
        service.send(frame[200:] + frame)
        assert transport.take() == frame[200:] + CLOSE_SERVICE_RESTART
        service.send(frame)
        assert transport.take() == b""
        service.close()


async def test_websockets_and_events_go_on_while_another_gateway_serves_and_then_end_properly(
    make_scene: Callable[..., Scene],
) -> None:
    scene = make_scene()
    _, socket, service = tunnel(scene)
    client, stream = scene.connect()
    client.data_received(GET)
    scene.service.send(EVENTS)
    async with stopping(scene, 1.0, linger=True):
        service.send(Frame(Opcode.TEXT, b"hi").serialize(mask=False))
        scene.service.send(b"3\r\nb\n\n\r\n")
        assert socket.take().endswith(b"hi")
        assert stream.take().endswith(b"b\n\n\r\n")
    assert socket.take() == CLOSE_SERVICE_RESTART
    assert stream.take() == b"0\r\n\r\n"
    assert (stream.closing, stream.aborted) == (True, False)


async def test_what_is_no_event_stream_is_not_given_a_false_end(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(DOWNLOAD)
    transport.take()
    async with stopping(scene, SHORT, linger=True):
        pass
    assert transport.take() == b""
    assert transport.aborted


async def test_lingering_ends_when_the_app_stops(scene: Scene) -> None:
    _, idle = scene.connect()
    _, socket, _ = tunnel(scene)
    async with stopping(scene, LONG, linger=True) as stops:
        assert not idle.closing
        stops.hurry.set_result(StopRequest(timeout=SHORT))
    assert idle.closing
    assert socket.take() == CLOSE_SERVICE_RESTART
