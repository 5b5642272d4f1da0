"""One request and its response, between a connection and the application (ASGI HTTP, spec version 2.3).

Errors of the application have uvicorn's words, which its users know. The head of a response leaves together with the
part of the body that follows at once.
"""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING

from pywatt.http.headers import LAST_CHUNK, chunk
from pywatt.http.server.writer import CONTINUE, status_line
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.telemetry.trace_context import enter_request
from pywatt.worker.asgi.fast_path.head import plain_head
from pywatt.worker.asgi.lifespan import Application, Message, Scope

if TYPE_CHECKING:
    from pywatt.worker.asgi.endless_responses import Stream
    from pywatt.worker.asgi.http_connection import HttpConnection

JOINED_SIZE = 16 * 1024
"""Bytes of a body above which copying it behind its head costs more than a second write."""
HIGH_WATER = 64 * 1024
"""Bytes of a request's body that wait for the application above which the client is not read."""
BODILESS = (204, 304)
_NO_NAME = re.compile(rb'[\x00-\x1f\x7f()<>@,;:\[\]={} \t\\"]')
_NO_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FAILURE: tuple[Message, ...] = (
    {
        "type": "http.response.start",
        "status": 500,
        "headers": [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", b"21"),
            (b"connection", b"close"),
        ],
    },
    {"type": "http.response.body", "body": b"Internal Server Error"},
)

logger = pywatt_logger("uvicorn.error")


class HttpCycle:
    """Serves one request."""

    # How every cycle begins. As attributes of the class they cost a request nothing.
    more_body = False
    """True while the request's body is incomplete."""
    expects_continue = False
    is_old = False
    """True for HTTP/1.0, which has no chunks: a body of unknown length ends with the connection."""
    is_attended = False
    """True while the connection calls `flush` before the turn of the loop ends."""
    disconnected = False
    response_started = False
    response_complete = False
    held = b""
    """The head, for the body to follow at once."""
    _changed: asyncio.Event | None = None
    """Set when more of the body has come, or nothing will: made when the application waits."""
    _chunked = False
    _until_close = False
    """True when the response's body ends with the connection."""
    _left = 0
    """Bytes of the response's body that its Content-Length announces and that were not sent yet."""
    _start: Message | None = None
    """The first message, until it is known whether it starts a stream of events."""
    _events: Stream | None = None

    def __init__(self, connection: HttpConnection, scope: Scope, body: bytes, keep_alive: bool) -> None:
        self.scope = scope
        self.body: bytes | bytearray | None = body
        """The part of the body that the application has not received yet; None once it has received the end."""
        self.keep_alive = keep_alive
        self._connection = connection
        connection.streams.requests += 1

    def ended(self, task: asyncio.Task[None]) -> None:
        """Note that the application has returned."""
        connection = self._connection
        connection.tasks.discard(task)
        connection.streams.request_ends(self._events)

    def add_body(self, body: bytes, *, more: bool) -> None:
        """Pass on a part of the request's body."""
        if body and self.body:
            if type(self.body) is bytes:  # appending to it would copy it for each tiny chunk
                self.body = bytearray(self.body)
            self.body += body
        elif body:
            self.body = body
        self.more_body = more
        self.wake()

    def disconnect(self) -> None:
        """Tell the application that the client is gone."""
        self.disconnected = True
        self.wake()

    def wake(self) -> None:
        """Wake `receive`."""
        if self._changed is not None:
            self._changed.set()

    def flush(self) -> None:
        """Write the head that is held."""
        if self.held:
            held, self.held = self.held, b""
            self._connection.write(held)

    async def run(self, app: Application) -> None:
        """Call the application, and answer in its place when it fails."""
        enter_request(self.scope["headers"])
        try:
            result: object = await app(self.scope, self.receive, self.send)  # type: ignore[func-returns-value]
        except BaseException as error:
            logger.error("Exception in ASGI application\n", exc_info=error)
            await self._fail()
            return
        if result is not None:
            logger.error("ASGI callable should return None, but returned '%s'.", result)
            self._connection.close()
        elif not self.response_complete and not self.disconnected:
            missing = "completing" if self.response_started else "starting"
            logger.error("ASGI callable returned without %s response.", missing)
            await self._fail()

    async def receive(self) -> Message:
        """Return a part of the body, or wait for the client to leave."""
        body = self.body
        if self.expects_continue:
            self.expects_continue = False
            self._connection.write(CONTINUE)
        while not self.disconnected and not self.response_complete and not body and (body is None or self.more_body):
            if self._changed is None:
                self._changed = asyncio.Event()
            self._changed.clear()
            self._connection.resume_reading()
            await self._changed.wait()
            body = self.body
        if self.disconnected or self.response_complete:
            return {"type": "http.disconnect"}
        self.body = b"" if self.more_body else None
        if self.more_body:
            self._connection.resume_reading()
        if type(body) is bytearray:
            body = bytes(body)
        return {"type": "http.request", "body": body, "more_body": self.more_body}

    async def send(self, message: Message) -> None:
        """Write a part of the response. Raises RuntimeError when the message is not one that may follow."""
        connection = self._connection
        if self._events is not None:
            await self._events.send(message)
            return
        if connection.writable is not None and not self.disconnected:
            await connection.drain()
        if self.disconnected:
            await asyncio.sleep(0)  # an application that goes on sending must not keep the event loop to itself
        elif not self.response_started:
            if message["type"] != "http.response.start":
                raise RuntimeError(f"Expected ASGI message 'http.response.start', but got '{message['type']}'.")
            self._send_head(message)
        else:
            if self._start is not None:
                if message.get("more_body"):
                    self._events = connection.streams.events_of(self._start, self._send_part)
                self._start = None
                if self._events is not None:
                    await self._events.send(message)
                    return
            more = self._send_body(message)
            if more and connection.is_closing:
                await asyncio.sleep(0)  # else it may never be told that the connection is lost

    async def _send_part(self, message: Message) -> None:
        """Write a part of a stream of events."""
        connection = self._connection
        if connection.writable is not None and not self.disconnected:
            await connection.drain()
        if self.disconnected or (self._send_body(message) and connection.is_closing):
            await asyncio.sleep(0)

    def _send_head(self, message: Message) -> None:
        connection = self._connection
        headers = message.get("headers", [])
        head = None
        if self.keep_alive and type(headers) is list:  # another kind may be one that can be read only once
            common = connection.common_headers
            head = plain_head(message.get("status"), common + headers if common else headers)
        self.expects_continue = False
        if head is None:
            head = self._read_head(message["status"], [*connection.common_headers, *headers])
        self.response_started = True
        self._start = message
        self.held, length = head
        self._left = length or 0
        if not self.is_attended:
            asyncio.get_running_loop().call_soon(self.flush)

    def _read_head(self, status: int, headers: list[tuple[bytes, bytes]]) -> tuple[bytes, int | None]:
        """Return a head that is not plain, and the length that it announces. Raises RuntimeError."""
        head = [status_line(status)]
        length: int | None = None
        chunked: bool | None = None
        closes = False
        for given, value in headers:
            if _NO_NAME.search(given):
                raise RuntimeError("Invalid HTTP header name.")
            if _NO_VALUE.search(value):
                raise RuntimeError("Invalid HTTP header value.")
            name = given.lower()
            if name == b"content-length" and chunked is None:
                if status == 204:
                    continue  # RFC 9110 8.6: it must have none, and some clients wait for the body
                length, chunked = int(value.decode()), False
            elif name == b"transfer-encoding":
                if self.is_old:
                    continue
                if value.lower() == b"chunked":
                    length, chunked = 0, True
            elif name == b"connection" and b"close" in [token.strip() for token in value.lower().split(b",")]:
                closes = True
            head += (name, b": ", value, b"\r\n")
        if closes or not self.keep_alive:
            self.keep_alive = False
            if not closes:
                head.append(b"connection: close\r\n")
        if chunked is None and self.is_old:
            self._until_close = True
        elif chunked is None and self.scope["method"] != "HEAD" and status not in BODILESS:
            chunked = True
            head.append(b"transfer-encoding: chunked\r\n")
        head.append(b"\r\n")
        self._chunked = bool(chunked)
        return b"".join(head), length

    def _send_body(self, message: Message) -> bool:
        """Write a part of the body; return whether more is to come. Raises RuntimeError."""
        if self.response_complete:
            raise RuntimeError(f"Unexpected ASGI message '{message['type']}' sent, after response already completed.")
        if message["type"] != "http.response.body":
            raise RuntimeError(f"Expected ASGI message 'http.response.body', but got '{message['type']}'.")
        body, more = message.get("body", b""), bool(message.get("more_body", False))
        if self.scope["method"] == "HEAD":
            body = b""
            self._left = 0
        elif self._chunked:
            body = (chunk(body) if body else b"") + (b"" if more else LAST_CHUNK)
        elif not self._until_close:
            left = self._left - len(body)
            if left < 0:
                raise RuntimeError("Response content longer than Content-Length")
            self._left = left
        connection = self._connection
        if self.held:
            if len(body) <= JOINED_SIZE:
                body = self.held + body
                self.held = b""
            else:
                self.flush()
        if body:
            connection.write(body)
        if not more:
            if self._left:
                raise RuntimeError("Response content shorter than Content-Length")
            self.response_complete = True
            self.wake()
            connection.answered(self)
        return more

    async def _fail(self) -> None:
        if self.response_started:
            self.flush()
            self._connection.close()
        else:
            for message in _FAILURE:
                await self.send(message)
