"""WebSocket tunnels: the handshake is checked on both sides, then bytes pass in both directions."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pywatt.http.server.state import CLOSED, TUNNEL
from pywatt_services.gateway.tunnel.frames import CLOSE_SERVICE_RESTART

Scene = Any
HANDSHAKE = (
    b"GET /api/ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


def test_tunnel(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(HANDSHAKE + b"early")
    sent = scene.service.received()
    assert sent.startswith(b"GET /ws HTTP/1.1\r\n")
    assert sent.endswith(b"connection: Upgrade\r\nupgrade: websocket\r\n\r\n")
    scene.service.send(SWITCHING + b"hello")
    assert transport.take() == (
        b"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
        b"connection: Upgrade\r\nupgrade: websocket\r\n\r\nhello"
    )
    assert scene.service.received() == b"early"
    client.data_received(b"GET / HTTP/1.1\r\n\r\n")
    assert scene.service.received() == b"GET / HTTP/1.1\r\n\r\n"
    scene.service.send(b"there")
    assert transport.take() == b"there"
    assert client.state is TUNNEL
    scene.pass_time(3600)
    assert not transport.closing


@pytest.mark.parametrize("side", ["client", "service"])
def test_the_end_of_one_side_is_the_end_of_the_other(scene: Scene, side: str) -> None:
    client, transport = scene.connect()
    client.data_received(HANDSHAKE)
    scene.service.send(SWITCHING)
    if side == "client":
        client.eof_received()
        transport.close()
        assert scene.service.transport.closing
        assert not scene.service.transport.aborted
    else:
        scene.service.close()
        assert transport.closing
        assert not transport.aborted
    assert client.state is CLOSED


def test_tunnel_has_backpressure(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(HANDSHAKE)
    scene.service.send(SWITCHING)
    client.pause_writing()
    assert not scene.service.transport.reading
    client.resume_writing()
    assert scene.service.transport.reading
    scene.service.connection.pause_writing()
    assert not transport.reading
    scene.service.connection.resume_writing()
    assert transport.reading


TINY = b"\x81\x01x" * 2000


def opened(scene: Scene) -> Any:
    client, transport = scene.connect()
    client.data_received(HANDSHAKE)
    scene.service.send(SWITCHING)
    transport.take()
    return client, transport


def test_tiny_frames_of_a_service_are_passed_on_in_turns(scene: Scene) -> None:
    _, transport = opened(scene)
    scene.service.send(TINY)
    first = transport.take()
    assert TINY.startswith(first)
    assert 0 < len(first) < 1000
    assert not scene.service.transport.reading
    scene.fair_queue.give_all()
    assert first + transport.take() == TINY
    assert scene.service.transport.reading


def test_tiny_frames_wait_for_a_slow_client(scene: Scene) -> None:
    client, transport = opened(scene)
    scene.service.send(TINY)
    client.pause_writing()
    scene.fair_queue.give_all()
    assert transport.take() == TINY
    assert not scene.service.transport.reading
    client.resume_writing()
    assert scene.service.transport.reading
    scene.service.send(TINY)
    client.pause_writing()
    client.resume_writing()
    assert not scene.service.transport.reading
    scene.fair_queue.give_all()
    assert scene.service.transport.reading


def test_tiny_frames_before_the_end_of_a_service_arrive(scene: Scene) -> None:
    _, transport = opened(scene)
    scene.service.send(TINY)
    scene.service.close()
    assert transport.take() == TINY
    assert transport.closing
    scene.fair_queue.give_all()


def test_tiny_frames_go_nowhere_once_the_client_has_left(scene: Scene) -> None:
    _, transport = opened(scene)
    scene.service.send(TINY)
    transport.close()
    transport.take()
    scene.fair_queue.give_all()
    assert transport.take() == b""


def test_restart_is_told_between_tiny_frames(scene: Scene) -> None:
    client, transport = opened(scene)
    scene.service.send(TINY + b"\x81\x05x")
    first = transport.take()
    client.close_websocket()
    assert transport.take() == CLOSE_SERVICE_RESTART
    assert len(first) % 3 == 0
    scene.fair_queue.give_all()
    assert transport.take() == b""


async def test_a_service_that_does_not_take_the_rest_of_a_tunnel_is_cut_off(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, _ = opened(scene)
    service = scene.service.transport
    monkeypatch.setattr("pywatt.http.client.connection.FINISH_LIMIT", 0)
    monkeypatch.setattr(service, "close", lambda: None)  # something is left to be sent
    aborted = asyncio.Event()
    monkeypatch.setattr(service, "abort", aborted.set)
    client.eof_received()
    async with asyncio.timeout(10):
        await aborted.wait()


def test_refused_handshake_is_an_ordinary_response(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(HANDSHAKE + b"smuggled")
    scene.service.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno")
    written = transport.take()
    assert written.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert b"connection: close\r\n" in written
    assert transport.ended
    assert scene.service.received().count(b"smuggled") == 0


@pytest.mark.parametrize(
    "response",
    [
        SWITCHING.replace(b"s3pP", b"XXXX"),
        SWITCHING.replace(b"websocket", b"h2c"),
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    ],
)
def test_wrong_answer_to_the_handshake(scene: Scene, response: bytes) -> None:
    client, transport = scene.connect()
    client.data_received(HANDSHAKE)
    scene.service.send(response)
    assert transport.take().startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    assert scene.service.transport.aborted


def test_101_that_was_not_asked_for(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n")
    scene.service.send(SWITCHING)
    assert transport.take().startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


def test_unknown_version_is_told_which_one_is_known(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(HANDSHAKE.replace(b"Version: 13", b"Version: 8"))
    written = transport.take()
    assert written.startswith(b"HTTP/1.1 426 Upgrade Required\r\n")
    assert b"sec-websocket-version: 13\r\n" in written
