"""One call of a WSGI application and its response (PEP 3333), in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

from pywatt.http.headers import HOP_BY_HOP, Header, check_header
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.worker.asgi.lifespan import Message, Send
from pywatt.worker.wsgi.request_body import ClientLeft, RequestBody

ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Write = Callable[[bytes], None]
StartResponse = Callable[..., Write]
WsgiApplication = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

BODILESS = (204, 304)
LENGTH_DIGITS = 18

logger = pywatt_logger("pywatt.worker")


class WsgiResponse:
    """The application's response to a request; sent from the event loop."""

    def __init__(self, app: WsgiApplication, environ: dict[str, Any], body: RequestBody, send: Send) -> None:
        self._app = app
        self._environ = environ
        self._input = environ["wsgi.input"]  # an application may put something else there
        self._body = body
        self._send = send
        self._loop = asyncio.get_running_loop()
        self.last: asyncio.Future[tuple[Message, ...]] = self._loop.create_future()
        """The messages that end the response, for the event loop to send: the thread need not wait for them."""
        self._to_head = environ["REQUEST_METHOD"] == "HEAD"
        self._head: Message | None = None
        self._status = 0
        self._length: int | None = None
        self._head_sent = False
        self._sent = 0
        self._ended = False

    def run(self) -> None:
        """Call the application and iterate over its result. Raises the application's errors."""
        try:
            self._run()
        except (SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration) as error:
            raise RuntimeError(f"the application raised {type(error).__name__}") from error
        except Exception as error:
            if not _is_disconnect(error):
                raise
        finally:
            self._input.close()

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None) -> Write:
        """Note the head; it is sent with the first part of the body."""
        if exc_info is not None:
            try:
                if self._head_sent:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # else it would hold this frame, and this frame it
        elif self._head is not None:
            raise AssertionError("start_response was called a second time, without exc_info")
        self._status, lines, self._length = _read_head(status, headers)
        self._head = {"type": "http.response.start", "status": self._status, "headers": lines}
        return self.write

    def write(self, data: bytes) -> None:
        """Send a part of the body and wait until it is on its way. Raises ClientLeft."""
        if not isinstance(data, bytes):
            raise TypeError(f"a part of the body is no bytes: {type(data).__name__}")
        if self._head is None:
            raise AssertionError("the application gave a part of the body before it called start_response")
        if self._body.has_left and not self._ended:
            raise ClientLeft
        if not data:
            return
        if self._is_bodiless:
            if not self._ended:
                self._end(b"")
            return
        self._sent += len(data)
        if self._length is not None and self._sent > self._length:
            raise ValueError(f"the body is longer than its Content-Length of {self._length} bytes")
        if self._sent == self._length:
            self._end(data)
            return
        part: Message = {"type": "http.response.body", "body": data, "more_body": True}
        messages = (part,) if self._head_sent else (self._head, part)
        self._head_sent = True
        asyncio.run_coroutine_threadsafe(self._send_all(messages), self._loop).result()

    @property
    def _is_bodiless(self) -> bool:
        return self._to_head or self._status in BODILESS

    def _run(self) -> None:
        parts = self._app(self._environ, self.start_response)
        try:
            if isinstance(parts, list | tuple) and len(parts) == 1 and self._length is None and not self._head_sent:
                self._announce(len(parts[0]))
            for part in parts:
                self.write(part)
                if self._ended and self._is_bodiless:
                    break  # there is no use in the rest, which may have no end
            self._finish()
        finally:
            self._close(parts)

    def _announce(self, length: int) -> None:
        """Say how long the body is, as it is known in advance."""
        if self._head is not None and not self._is_bodiless:
            self._length = length
            self._head["headers"].append((b"content-length", b"%d" % length))

    def _finish(self) -> None:
        if self._head is None:
            raise AssertionError("the application returned without calling start_response")
        if self._ended:
            return
        if not self._is_bodiless:
            if self._length is None and not self._head_sent:
                self._announce(0)
            if self._length is not None and self._sent < self._length:
                raise ValueError(f"the body ended after {self._sent} of its Content-Length of {self._length} bytes")
        self._end(b"")

    def _end(self, data: bytes) -> None:
        assert self._head is not None
        part: Message = {"type": "http.response.body", "body": data, "more_body": False}
        messages = (part,) if self._head_sent else (self._head, part)
        self._head_sent = self._ended = True
        self._loop.call_soon_threadsafe(self._hand_over, messages)

    def _hand_over(self, messages: tuple[Message, ...]) -> None:
        if not self.last.done():
            self.last.set_result(messages)

    def _close(self, parts: Iterable[bytes]) -> None:
        close: Callable[[], object] | None = getattr(parts, "close", None)
        if close is None:
            return
        try:
            close()
        except Exception:
            if not self._ended:
                raise
            # The client has its answer; an error now would cost it the connection.
            logger.exception("the application failed in close(), after its answer")

    async def _send_all(self, messages: tuple[Message, ...]) -> None:
        self._body.want()
        for message in messages:
            await self._send(message)


def _is_disconnect(error: BaseException | None) -> bool:
    """Return whether the application raised an exception because its client left."""
    while error is not None and not isinstance(error, ClientLeft):
        error = error.__cause__ or error.__context__
    return error is not None


def _read_head(status: str, headers: list[tuple[str, str]]) -> tuple[int, list[Header], int | None]:
    """Return status, header fields and the length they announce. Raises ValueError, TypeError."""
    code = status[:3]
    if not (code.isascii() and code.isdigit() and status[3:4] in ("", " ") and "200" <= code < "600"):
        raise ValueError(f"not a status: {status!r}")
    fields: list[Header] = []
    length: int | None = None
    for name, text in headers:
        field = name.lower().encode("latin-1")
        value = text.encode("latin-1").strip()
        check_header(field, value)
        if field in HOP_BY_HOP:
            continue  # they are the server's affair
        if field == b"content-length":
            if not value.isdigit() or len(value) > LENGTH_DIGITS or length not in (None, int(value)):
                raise ValueError(f"not a Content-Length: {text!r}")
            if length is not None:
                continue
            length = int(value)
        fields.append((field, value))
    return int(code), fields, length
