"""Serves the same bytes with and without the fast path for plain requests."""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from harness.connection import BODY, START, Connection, settle
from pywatt.worker.asgi.fast_path.request import PlainReader, PlainRequest
from pywatt.worker.asgi.http_connection import HttpConnection
from pywatt.worker.asgi.lifespan import Message, Receive, Scope, Send

TURNS = 12
"""Turns of the loop after which everything possible has happened."""
OK: tuple[Message, ...] = (START, BODY)
DATE = re.compile(rb"date: [^\r]*\r\n")


class NothingIsPlain(PlainReader):
    """Leaves every request to uvicorn."""

    def read(self, data: bytes) -> PlainRequest | None:
        return None


class EveryPlain(PlainReader):
    """Counts the requests that are plain."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def read(self, data: bytes) -> PlainRequest | None:
        request = super().read(data)
        self.count += request is not None
        return request


@dataclass
class Served:
    """The events that the application and the client saw."""

    scopes: list[Scope] = field(default_factory=list)
    received: list[Message] = field(default_factory=list)
    raised: list[str] = field(default_factory=list)
    written: bytes = b""
    closed: bool = False
    paused: bool = False
    left: int = 0


@dataclass
class Scripted:
    """Reads the whole body, waits some turns, sends the given events, and waits for the end of the request."""

    messages: Sequence[Message] = OK
    turns: int = 0
    catches: bool = False
    served: Served = field(default_factory=Served)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.served.scopes.append(copy.deepcopy(scope))
        while True:
            event = await receive()
            self.served.received.append(event)
            if not event.get("more_body"):
                break
        for _ in range(self.turns):
            await asyncio.sleep(0)
        for message in self.messages:
            try:
                await send(copy.copy(message))
            except Exception as error:
                # The words of a TypeError are the transport's.
                self.served.raised.append("TypeError" if isinstance(error, TypeError) else repr(error))
                if not self.catches:
                    raise
        self.served.received.append(await receive())


async def serve(
    pieces: Sequence[bytes],
    app: Scripted,
    reader: PlainReader,
    *,
    protocol_class: type[HttpConnection] = HttpConnection,
    closing: bool = False,
    turns: int = TURNS,
) -> Served:
    """Feed pieces to a new connection, then lose the connection."""
    connection = Connection(app, reader=reader, protocol_class=protocol_class)
    state, transport = connection.state, connection.transport
    state.draining = closing
    for piece in pieces:
        if not transport.closed:
            connection.receive(piece)
            await settle(turns)
    await settle(TURNS)
    served = app.served
    served.written = DATE.sub(b"date: now\r\n", b"".join(transport.writes))
    served.closed, served.paused = transport.closed, transport.paused
    connection.protocol.connection_lost(None)
    await settle(TURNS)
    served.left = len(state.tasks)  # of pipelined requests uvicorn tells only the last that the client is gone
    for task in state.tasks:
        task.cancel()
    await settle(TURNS)
    assert not state.tasks
    assert connection.streams.waiting == 0
    return served
