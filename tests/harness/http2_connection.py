"""What a connection of HTTP/2 needs around it, without a network or an event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pywatt.http.http2.connection import Http2Connection


class Loop:
    """Calls that are due, in the test's hands."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], object]] = []

    def call_soon(self, call: Callable[..., object], *arguments: Any) -> None:
        self.calls.append(lambda: call(*arguments))

    def run(self) -> None:
        for _ in range(10_000):
            if not self.calls:
                return
            self.calls.pop(0)()
        raise AssertionError("it never comes to an end")


class Queue:
    def __init__(self, loop: Loop) -> None:
        self._loop = loop

    def add(self, connection: Http2Connection) -> None:
        self._loop.call_soon(connection.read_held)


class Carriers:
    now = 0.0

    def __init__(self) -> None:
        self.open: set[object] = set()

    def add(self, connection: Any) -> None:
        self.open.add(connection)

    def discard(self, connection: object) -> None:
        self.open.discard(connection)


def with_loop(act: Callable[[], None], loop: Loop) -> None:
    """Run with `loop` as the running event loop, as far as the code under test asks for it."""
    asyncio._set_running_loop(loop)  # type: ignore[arg-type]
    try:
        act()
    finally:
        asyncio._set_running_loop(None)
