"""Limits the requests of a route that are served at the same time; further ones wait.

A place that gets free goes to the client whose turn it is, and there to the oldest request. A client with many requests
on many connections, or on many streams of HTTP/2, so holds up itself more than others.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from pywatt.http.server.errors import RETRY_AFTER
from pywatt_services.gateway.policies.rate_limit import client_key
from pywatt_services.gateway.policies.verdict import Later, PolicyRequest, Verdict, refusal

Turn: TypeAlias = "asyncio.Future[bool]"
"""True when a request's turn has come, False when another one took its place in the queue."""

BUSY = refusal(503, "the service has too many requests at the moment; try again later", RETRY_AFTER)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrencyOptions:
    """Requests at the same time, in one worker of the gateway."""

    limit: int
    waiting: int = 1000
    """Requests that may wait."""
    timeout: float = 10.0
    """Seconds that a request waits at most."""


def read_concurrency(document: Mapping[str, Any]) -> ConcurrencyOptions:
    """Read the block."""
    return ConcurrencyOptions(
        limit=document["max"],
        waiting=document.get("maxWaiting", 1000),
        timeout=document.get("timeout", 10_000) / 1000,
    )


class Queue:
    """Requests that wait. Clients take turns, whatever number of requests each has; its oldest one goes first."""

    def __init__(self) -> None:
        self._clients: OrderedDict[bytes, deque[Turn]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def add(self, client: bytes, turn: Turn) -> None:
        """Add a request of a client."""
        self._clients.setdefault(client, deque()).append(turn)
        self._size += 1

    def remove(self, client: bytes, turn: Turn) -> bool:
        """Take a request out; tell whether it was waiting."""
        turns = self._clients.get(client, ())
        if turn not in turns:
            return False
        self._clients[client].remove(turn)
        self._taken(client)
        return True

    def next(self) -> Turn | None:
        """Take out the request whose turn it is, if there is one."""
        for client, turns in self._clients.items():
            turn = turns.popleft()
            self._clients.move_to_end(client)
            self._taken(client)
            return turn
        return None

    def make_room(self, client: bytes) -> Turn | None:
        """Take out the newest request of the client with the most, if this one would still have fewer than that."""
        most = max(self._clients, key=lambda each: len(self._clients[each]), default=client)
        if len(self._clients.get(most, ())) <= len(self._clients.get(client, ())) + 1:
            return None
        turn = self._clients[most].pop()
        self._taken(most)
        return turn

    def _taken(self, client: bytes) -> None:
        self._size -= 1
        if not self._clients[client]:
            del self._clients[client]


class ConcurrencyLimit:
    """Counts the requests of one route in one worker."""

    def __init__(self, options: ConcurrencyOptions) -> None:
        self._options = options
        self._free = options.limit
        self._waiting = Queue()

    def check(self, request: PolicyRequest) -> Verdict | Later:
        """Admit the request now, when another one has ended, or never."""
        if self._free:
            self._free -= 1
            request.ended = self._release
            return None
        client = client_key(request.ip)
        if len(self._waiting) >= self._options.waiting:
            left = self._waiting.make_room(client)
            if left is None:
                return BUSY
            left.set_result(False)
        # It gets its place in the queue here, and has a way to leave it, before its task first runs.
        turn: Turn = asyncio.get_running_loop().create_future()
        self._waiting.add(client, turn)
        request.ended = partial(self._give_up, client, turn)
        return Later(partial(self._wait, request, client, turn))

    async def _wait(self, request: PolicyRequest, client: bytes, turn: Turn) -> Verdict:
        try:
            async with asyncio.timeout(self._options.timeout):
                admitted = await turn
        except TimeoutError:
            self._give_up(client, turn)
            admitted = False
        request.ended = self._release if admitted else None
        return None if admitted else BUSY

    def _give_up(self, client: bytes, turn: Turn) -> None:
        waited = self._waiting.remove(client, turn)
        if not waited and turn.done() and not turn.cancelled() and turn.result():
            self._release()  # its turn had come

    def _release(self) -> None:
        while (turn := self._waiting.next()) is not None:
            if not turn.done():
                turn.set_result(True)
                return
        self._free += 1
