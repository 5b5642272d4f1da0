"""Endless responses, WebSockets and server-sent events, which a stop has to end in the way their clients know.

An application that is wrapped here does not notice until then. Afterwards it is told that its client is gone, and
further sends are dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from pywatt.telemetry.trace_context import enter_request
from pywatt.worker.asgi.forwarded import UNIX_CLIENT, forwarded, place
from pywatt.worker.asgi.lifespan import Application, Message, Receive, Scope, Send

if TYPE_CHECKING:
    from pywatt.worker.asgi.http_cycle import HttpCycle

SERVICE_RESTART = 1012
"""WebSocket close code (IANA registry): the client should connect again."""
EVENT_STREAM = b"text/event-stream"
LAST_PART: Message = {"type": "http.response.body", "body": b""}


class Streams:
    """An ASGI application whose streams can be ended from outside."""

    def __init__(self, app: Application) -> None:
        self.app = app
        """For those who count its requests and look after its events themselves."""
        self.cycle: type[HttpCycle] | None = None
        """The class that serves its requests where they are counted; None: the ordinary one."""
        self._events: set[Stream] = set()
        self._websockets: set[Stream] = set()
        self._refuses_websockets = False
        self.requests = 0
        """Number of requests that were taken and not answered yet."""

    @property
    def waiting(self) -> int:
        """Number of requests in flight without the endless ones."""
        return self.requests - len(self._events)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Call the application."""
        if scope.get("client") == UNIX_CLIENT and (told := forwarded(dict(scope["headers"]))) is not None:
            place(scope, told)
        if scope["type"] == "http":
            return self._serve_http(scope, receive, send)
        if scope["type"] == "websocket":
            return self._serve_websocket(scope, receive, send)
        return self.app(scope, receive, send)

    def request_ends(self, events: Stream | None) -> None:
        """Count a request as answered, and forget the events that were its answer."""
        self.requests -= 1
        if events is not None:
            self._events.discard(events)

    def events_of(self, head: Message, send: Send) -> Stream | None:
        """Return the stream that sends the rest of a response if it consists of server-sent events."""
        if not _is_event_stream(head):
            return None
        events = Stream(send)
        self._events.add(events)
        return events

    async def end_events(self) -> None:
        """Write the end of every open event stream."""
        await asyncio.gather(*(stream.end(LAST_PART) for stream in self._events))

    async def close_websockets(self) -> None:
        """Close every WebSocket, including new ones from now on."""
        self._refuses_websockets = True
        await asyncio.gather(*(self._close(websocket) for websocket in self._websockets))

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: Message = {}
        events: Stream | None = None

        def send_noting(message: Message) -> Awaitable[None]:
            nonlocal head, events
            if not head:
                head = message
            elif events is None and message.get("more_body"):
                events = self.events_of(head, send)
            return send(message) if events is None else events.send(message)

        enter_request(scope["headers"])
        self.requests += 1
        try:
            await self.app(scope, receive, send_noting)
        finally:
            self.request_ends(events)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = Stream(send)
        enter_request(scope["headers"])

        async def send_noting(message: Message) -> None:
            await websocket.send(message)
            if message["type"] == "websocket.accept":
                self._websockets.add(websocket)
                if self._refuses_websockets:
                    await self._close(websocket)
            elif message["type"] == "websocket.close":
                self._websockets.discard(websocket)

        try:
            await self.app(scope, receive, send_noting)
        finally:
            self._websockets.discard(websocket)

    async def _close(self, websocket: Stream) -> None:
        await websocket.end({"type": "websocket.close", "code": SERVICE_RESTART})


class Stream:
    """Sends an application's messages until it is ended from outside."""

    def __init__(self, send: Callable[[Message], Awaitable[None]]) -> None:
        self._send = send
        self._sending = False
        self._last: Message | None = None

    async def send(self, message: Message) -> None:
        if self._last is not None:
            return
        self._sending = True
        try:
            await self._send(message)
        finally:
            self._sending = False
        if self._last is not None:
            await self._send(self._last)

    async def end(self, last: Message) -> None:
        """Send a last message, behind the one that is being sent if there is one."""
        if self._last is None:
            self._last = last
            if not self._sending:
                with suppress(OSError):  # the client is gone
                    await self._send(last)


def _is_event_stream(head: Message) -> bool:
    try:
        return any(
            name.lower() == b"content-type" and value.lower().startswith(EVENT_STREAM)
            for name, value in head.get("headers", ())
        )
    except (AttributeError, TypeError, ValueError):
        return False  # the server has refused this head, and has its own words for what follows
