"""Connection timeouts: idle connections, stalled requests and stalled responses are closed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from harness.connection import GET, Connection, Manual, answer, manual_app, settle

from pywatt.http.limits import ConnectionLimits
from pywatt.http.server.open_connections import OpenConnections

pytestmark = pytest.mark.anyio

LIMITS = ConnectionLimits()
OTHER = b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\n\r\n"
UPLOAD = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture
async def manual() -> AsyncIterator[Manual]:
    async with manual_app() as app:
        yield app


class Clock:
    """The manual clock; connections are checked every second."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.connections: OpenConnections[Any] = OpenConnections(clock=lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(self.now + 1, end)
            self.connections.tick()


@pytest.fixture
async def clock() -> AsyncIterator[Clock]:
    clock = Clock()
    yield clock
    clock.connections.close()


@pytest.mark.parametrize("request_", [GET, OTHER], ids=["plain", "other"])
async def test_an_idle_connection_is_closed(clock: Clock, request_: bytes) -> None:
    connection = Connection(answer, connections=clock.connections)
    for _ in range(2):
        connection.receive(request_)
        await settle(4)
        clock.pass_by(LIMITS.keep_alive - 1)
        assert not connection.transport.closed
    clock.pass_by(2)
    assert connection.transport.closed
    assert not connection.transport.writes[-1].startswith(b"HTTP/1.1 408")


async def test_an_unused_connection_is_closed_sooner(clock: Clock) -> None:
    connection = Connection(answer, connections=clock.connections)
    clock.pass_by(LIMITS.head_timeout)
    assert not connection.transport.closed
    clock.pass_by(1)
    assert connection.transport.closed
    assert connection.transport.writes == []


async def test_a_connection_is_not_idle_while_a_request_is_served(clock: Clock, manual: Manual) -> None:
    connection = Connection(manual, connections=clock.connections)
    for _ in range(2):
        connection.receive(GET)
        await settle(2)
        clock.pass_by(3 * LIMITS.keep_alive)
        assert not connection.transport.closed
        await manual.answer()
        manual.end()
        await settle(4)
        clock.pass_by(LIMITS.keep_alive - 1)
        assert not connection.transport.closed


@pytest.mark.parametrize("before", [b"", GET])
async def test_a_head_that_does_not_end_is_a_408(clock: Clock, before: bytes) -> None:
    connection = Connection(answer, connections=clock.connections)
    if before:
        connection.receive(before)
        await settle(3)
    connection.receive(GET[:-2])
    for _ in range(int(LIMITS.head_timeout)):  # a byte a second
        clock.pass_by(1)
        connection.receive(b"x")
    assert not connection.transport.ended
    clock.pass_by(1)
    assert connection.transport.writes[-1].startswith(b"HTTP/1.1 408 ")
    assert connection.transport.ended
    assert not connection.transport.closed
    connection.receive(GET)
    clock.pass_by(LIMITS.linger + 1)
    assert connection.transport.closed
    assert len(connection.transport.writes) == 1 + bool(before)


async def test_a_head_that_ends_in_time_is_served(clock: Clock) -> None:
    connection = Connection(answer, connections=clock.connections)
    connection.receive(GET[:9])
    clock.pass_by(LIMITS.head_timeout - 1)
    connection.receive(GET[9:])
    await settle(4)
    assert b"".join(connection.transport.writes).startswith(b"HTTP/1.1 200 ")
    clock.pass_by(LIMITS.keep_alive - 1)
    assert not connection.transport.closed


async def test_a_body_that_stops_is_a_408(clock: Clock, manual: Manual) -> None:
    connection = Connection(manual, connections=clock.connections)
    connection.receive(UPLOAD + b"abc")
    await settle(2)
    assert (await manual.take(lambda: manual.receive()))["body"] == b"abc"
    clock.pass_by(LIMITS.body_timeout)
    assert not connection.transport.ended
    clock.pass_by(2)
    assert connection.transport.writes[-1].startswith(b"HTTP/1.1 408 ")
    assert await manual.take(lambda: manual.receive()) == {"type": "http.disconnect"}
    await manual.answer()
    assert len(connection.transport.writes) == 1


@pytest.mark.parametrize(("request_", "piece"), [(UPLOAD, b"x"), (CHUNKED, b"1\r\nx\r\n")])
async def test_a_body_of_a_byte_a_second_is_a_408(clock: Clock, manual: Manual, request_: bytes, piece: bytes) -> None:
    connection = Connection(manual, connections=clock.connections)
    connection.receive(request_)
    for _ in range(70):
        clock.pass_by(1)
        if not connection.transport.ended:
            connection.receive(piece)
    assert connection.transport.writes[-1].startswith(b"HTTP/1.1 408 ")


async def test_a_slow_body_is_taken(clock: Clock, manual: Manual) -> None:
    connection = Connection(manual, connections=clock.connections)
    connection.receive(UPLOAD)
    for _ in range(600):
        await settle(1)
        connection.receive(b"x" * 300)
        await manual.take(lambda: manual.receive())
        clock.pass_by(1)
    assert connection.transport.writes == []


async def test_a_body_that_is_not_read_is_waited_for(clock: Clock, manual: Manual) -> None:
    connection = Connection(manual, connections=clock.connections)
    connection.receive(UPLOAD + b"x" * 100_000)
    await settle(2)
    assert connection.transport.paused
    clock.pass_by(10 * LIMITS.body_timeout)
    assert connection.transport.writes == []
    await manual.take(lambda: manual.receive())
    assert not connection.transport.paused
    clock.pass_by(LIMITS.body_timeout - 1)
    assert connection.transport.writes == []


async def test_a_body_that_drips_behind_its_answer_is_cut_off(clock: Clock) -> None:
    connection = Connection(answer, connections=clock.connections)
    connection.receive(UPLOAD)
    await settle(3)
    for _ in range(70):
        clock.pass_by(1)
        if not connection.transport.closed:
            connection.receive(b"x")
    assert connection.transport.closed
    assert b"".join(connection.transport.writes).count(b"HTTP/1.1 ") == 1


async def test_an_answer_that_is_not_taken_is_cut_off(clock: Clock, manual: Manual) -> None:
    connection = Connection(manual, connections=clock.connections)
    connection.receive(GET)
    await settle(2)
    connection.protocol.pause_writing()
    clock.pass_by(LIMITS.write)
    assert not connection.transport.closed
    connection.protocol.resume_writing()
    clock.pass_by(1)
    connection.protocol.pause_writing()
    clock.pass_by(LIMITS.write)
    assert not connection.transport.closed
    clock.pass_by(1)
    assert connection.transport.closed


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
async def test_without_connections_nobody_looks(error: Exception | None) -> None:
    connections: OpenConnections[Any] = OpenConnections()
    connections.start(asyncio.get_running_loop())
    connection = Connection(answer, connections=connections)
    connection.receive(GET)
    await settle(2)
    timer = connections._timer
    assert timer is not None
    connection.protocol.connection_lost(error)
    connections._tick_on()
    assert connections._timer is None
    timer.cancel()
