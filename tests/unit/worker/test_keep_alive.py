"""An idle connection is closed when its time is over, with one timer however many requests it has served."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from harness.connection import GET, Connection, Manual, answer, manual_app, settle, start_later

from pywatt.worker.engine import KEEP_ALIVE

pytestmark = pytest.mark.anyio


@pytest.fixture
async def manual() -> AsyncIterator[Manual]:
    async with manual_app() as app:
        yield app


class Clock:
    """The part of a loop that tells the time and calls later, moved by hand; the rest is the real one's."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._now = 1000.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self.woken = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def get_task_factory(self) -> Any:
        return start_later  # tasks belong to the real loop

    def time(self) -> float:
        return self._now

    def call_later(self, delay: float, callback: Callable[[], None]) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(self._now + delay, callback, (), self._loop)
        heapq.heappush(self._timers, (handle.when(), len(self._timers), handle))
        return handle

    @property
    def pending(self) -> int:
        return sum(not handle.cancelled() for _, _, handle in self._timers)

    def pass_by(self, seconds: float) -> None:
        end = self._now + seconds
        while self._timers and self._timers[0][0] <= end:
            self._now, _, handle = heapq.heappop(self._timers)
            if not handle.cancelled():
                self.woken += 1
                handle._run()
        self._now = end


@pytest.fixture
async def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize("request_", [GET, b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"], ids=["plain", "other"])
async def test_an_idle_connection_is_closed_when_its_time_is_over(clock: Clock, request_: bytes) -> None:
    connection = Connection(answer, loop=clock)
    for _ in range(2):
        connection.receive(request_)
        await settle(3)
        clock.pass_by(KEEP_ALIVE - 1)
        assert not connection.transport.closed
    clock.pass_by(0.9)
    assert not connection.transport.closed
    clock.pass_by(0.2)
    assert connection.transport.closed
    assert clock.pending == 0


async def test_many_requests_set_one_timer(clock: Clock) -> None:
    connection = Connection(answer, loop=clock)
    for _ in range(100):
        connection.receive(GET)
        await settle(2)
    assert clock.pending == 1
    clock.pass_by(KEEP_ALIVE)
    assert (clock.woken, clock.pending, connection.transport.closed) == (1, 0, True)


async def test_a_connection_is_not_idle_while_a_request_is_served(clock: Clock, manual: Manual) -> None:
    connection = Connection(manual, loop=clock)
    for _ in range(2):
        connection.receive(GET)
        await settle(2)
        clock.pass_by(3 * KEEP_ALIVE)
        assert not connection.transport.closed
        await manual.answer()
        manual.end()
        await settle(4)
        clock.pass_by(KEEP_ALIVE - 1)
        assert not connection.transport.closed


async def test_a_connection_is_not_idle_while_a_request_arrives(clock: Clock) -> None:
    connection = Connection(answer, loop=clock)
    connection.receive(GET)
    await settle(2)
    connection.receive(GET[:9])
    clock.pass_by(3 * KEEP_ALIVE)
    assert not connection.transport.closed
    connection.receive(GET[9:])
    await settle(3)
    assert b"".join(connection.transport.writes).count(b"HTTP/1.1 200 OK") == 2
    clock.pass_by(KEEP_ALIVE)
    assert connection.transport.closed


@pytest.mark.parametrize("error", [None, ConnectionResetError()])
async def test_a_lost_connection_leaves_no_timer(clock: Clock, error: Exception | None) -> None:
    connection = Connection(answer, loop=clock)
    connection.receive(GET)
    await settle(2)
    connection.protocol.connection_lost(error)
    assert clock.pending == 0
