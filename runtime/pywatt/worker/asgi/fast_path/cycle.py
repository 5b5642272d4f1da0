"""Answers plain requests: uvicorn's cycle, with short ways for the common case.

The body is there from the beginning, so nothing has to be waited for. The head of an answer leaves together with the
body that follows at once. Whatever is less common goes uvicorn's own way.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from pywatt.worker.asgi.fast_path.head import plain_head
from pywatt.worker.asgi.lifespan import Message
from pywatt.worker.asgi.streams import Stream, Streams

JOINED_SIZE = 16 * 1024
"""Bytes of a body above which copying it behind its head costs more than a second write."""
NOBODY_WAITS = asyncio.Event()
"""An event that is set but never awaited: a cycle gets one of its own only when its application waits."""


class PlainCycle(RequestResponseCycle):
    """Serves one plain request."""

    # How every cycle begins; nothing of it is set once more for each request.
    message_event = NOBODY_WAITS
    disconnected = False
    waiting_for_100_continue = False
    more_body = False
    response_started = False
    response_complete = False
    chunked_encoding: bool | None = None
    expected_content_length = 0
    is_attended = False
    """True if somebody calls `flush` before the turn of the loop ends."""
    held = b""
    """The head, for the body to follow at once."""
    _start: Message | None = None
    """The first message, until it is known whether it starts a stream of events."""
    _events: Stream | None = None

    def __init__(
        self, protocol: HttpToolsProtocol, streams: Streams, scope: dict[str, Any], body: bytes, keep_alive: bool
    ) -> None:
        self.scope = scope  # type: ignore[assignment]  # uvicorn's types name every key
        self.flow = protocol.flow
        self.logger = protocol.logger
        self.access_logger = protocol.access_logger
        self.access_log = protocol.access_log
        self.default_headers = protocol.server_state.default_headers
        self.on_response = protocol.on_response_complete
        self.keep_alive = keep_alive
        self._loop = protocol.loop
        self._tasks = protocol.tasks
        self._transport = protocol.transport
        self._streams = streams
        self._unread: bytes | None = body
        streams.requests += 1

    @property
    def transport(self) -> asyncio.Transport:  # type: ignore[override]
        """The connection; access to it writes the held head first."""
        self.flush()
        return self._transport

    def flush(self) -> None:
        """Write the head that is held."""
        if self.held:
            held, self.held = self.held, b""
            self._transport.write(held)

    def ended(self, task: asyncio.Task[None]) -> None:
        """Note that the application has returned."""
        self._tasks.discard(task)
        self._streams.request_ends(self._events)

    async def receive(self) -> Any:
        """Return the request, and wait for its end from the second time on."""
        body = self._unread
        if body is not None and not self.disconnected and not self.response_complete:
            self._unread = None
            if self.flow.read_paused:
                self.flow.resume_reading()
            return {"type": "http.request", "body": body, "more_body": False}
        if self.message_event is NOBODY_WAITS:
            self.message_event = asyncio.Event()
            self.body = bytearray()
        return await super().receive()

    async def send(self, message: Any) -> None:
        """Write a part of the answer."""
        if self._events is not None:
            await self._events.send(message)
            return
        if self.flow.write_paused and not self.disconnected:
            await self.flow.drain()
        if self.disconnected:
            await asyncio.sleep(0)  # an application that goes on sending must not keep the event loop to itself
            return
        if not self.response_started:
            if self._start is None:
                self._start = message
            if self._hold_head(message):
                return
        elif not self.response_complete and message["type"] == "http.response.body":
            more_body = message.get("more_body", False)
            if more_body and self._start is not None:
                self._events = self._streams.events_of(self._start, super().send)  # type: ignore[arg-type]
                self._start = None
                if self._events is not None:
                    await self._events.send(message)
                    return
            if not self._write_body(message.get("body", b""), more_body):
                await super().send(message)
            if more_body and self._transport.is_closing():
                await asyncio.sleep(0)  # else it may never be told that the connection is lost
            return
        await super().send(message)

    def _hold_head(self, message: Message) -> bool:
        """Begin the answer if that is plain too."""
        headers = message.get("headers", [])
        if (
            message["type"] != "http.response.start"
            or type(headers) is not list  # it may be one that can be read only once
            or not self.keep_alive
            or self.access_log
        ):
            return False
        head = plain_head(message.get("status"), self.default_headers + headers if self.default_headers else headers)
        if head is None:
            return False
        self.response_started = True
        self.held, length = head
        if length is not None:
            self.chunked_encoding = False
            self.expected_content_length = length
        if not self.is_attended:
            self._loop.call_soon(self.flush)
        return True

    def _write_body(self, body: Any, more_body: bool) -> bool:
        """Write a part of the body if its length was announced and is right."""
        if self.chunked_encoding or self.scope["method"] == "HEAD":
            return False
        missing = self.expected_content_length - len(body)
        if missing < 0 or (missing and not more_body):
            return False
        self.expected_content_length = missing
        if self.held and len(body) <= JOINED_SIZE:
            body = self.held + body
            self.held = b""
        else:
            self.flush()
        self._transport.write(body)
        if not more_body:
            self.response_complete = True
            if self.message_event is not NOBODY_WAITS:
                self.message_event.set()
            if not self.keep_alive:
                self._transport.close()
            self.on_response()
        return True
