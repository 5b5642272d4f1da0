"""What has no end of its own: WebSockets and server-sent events, which a stop has to end in the way their clients know.

An application that is wrapped here does not notice until then. Afterwards it is told that its client is gone, and what
it still sends is dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from pywatt.worker.lifespan import Application, Message, Receive, Scope, Send

SERVICE_RESTART = 1012
"""WebSocket close code (IANA registry): the client should connect again."""
EVENT_STREAM = b"text/event-stream"
LAST_PART: Message = {"type": "http.response.body", "body": b""}


class Streams:
    """An ASGI application whose streams can be ended from outside."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._events: set[_Stream] = set()
        self._websockets: set[_Stream] = set()
        self._refuses_websockets = False
        self._requests = 0

    @property
    def waiting(self) -> int:
        """How many requests were taken and not answered yet, those left out that have no end of their own."""
        return self._requests - len(self._events)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Call the application."""
        if scope["type"] == "http":
            return self._serve_http(scope, receive, send)
        if scope["type"] == "websocket":
            return self._serve_websocket(scope, receive, send)
        return self._app(scope, receive, send)

    async def end_events(self) -> None:
        """Write the end of every open event stream."""
        await asyncio.gather(*(stream.end(LAST_PART) for stream in self._events))

    async def close_websockets(self) -> None:
        """Close every WebSocket, and those that open from now on."""
        self._refuses_websockets = True
        await asyncio.gather(*(self._close(websocket) for websocket in self._websockets))

    async def _serve_http(self, scope: Scope, receive: Receive, send: Send) -> None:
        head: Message = {}
        stream: _Stream | None = None

        def send_noting(message: Message) -> Awaitable[None]:
            nonlocal head, stream
            if stream is not None:
                return stream.send(message)
            if not head:
                head = message
            elif message.get("more_body") and _is_event_stream(head):
                stream = _Stream(send)
                self._events.add(stream)
                return stream.send(message)
            return send(message)

        self._requests += 1
        try:
            await self._app(scope, receive, send_noting)
        finally:
            self._requests -= 1
            if stream is not None:
                self._events.discard(stream)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        websocket = _Stream(send)

        async def send_noting(message: Message) -> None:
            await websocket.send(message)
            if message["type"] == "websocket.accept":
                self._websockets.add(websocket)
                if self._refuses_websockets:
                    await self._close(websocket)
            elif message["type"] == "websocket.close":
                self._websockets.discard(websocket)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            self._websockets.discard(websocket)

    async def _close(self, websocket: _Stream) -> None:
        await websocket.end({"type": "websocket.close", "code": SERVICE_RESTART})


class _Stream:
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
    return any(
        name.lower() == b"content-type" and value.lower().startswith(EVENT_STREAM)
        for name, value in head.get("headers", ())
    )
