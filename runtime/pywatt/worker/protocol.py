"""The HTTP/1.1 protocol of workers: uvicorn's, without its hole for requests that ask for an upgrade.

For every request with `Connection: upgrade` and an `Upgrade` header httptools ends the message after the head and drops
the framing of its body, so that uvicorn takes the body's bytes for the next request. Here such a request keeps its body
unless it really opens a WebSocket: a second parser gets the framing headers alone and reads on from there.

Plain requests, as nearly all are, take a shorter way to the application: docs/adr/0007.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from pywatt.logs.reporter import reporter
from pywatt.worker.forwarded import UNIX_CLIENT, UNIX_SERVER, place
from pywatt.worker.plain_cycle import PlainCycle
from pywatt.worker.plain_request import PlainReader, PlainRequest
from pywatt.worker.streams import Streams

FRAMING_HEADERS = (b"content-length", b"transfer-encoding")


class WorkerState(ServerState):
    """What the connections of one kind share."""

    def __init__(self, connections: set[Any], tasks: set[asyncio.Task[None]]) -> None:
        super().__init__()
        self.connections, self.tasks = connections, tasks
        self.closes_connections = False
        """Whether each answer says `Connection: close` from now on."""
        self.plain_reader = PlainReader()


class WorkerProtocol(HttpToolsProtocol):
    """Serves one connection."""

    server_state: WorkerState

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = reporter("uvicorn.error")
        self._is_inside = False
        """Whether the connection is one over the unix socket."""
        self._opens_websocket = False
        self._continuation: _Continuation | None = None
        self._is_between_messages = True
        self._idle_since: float | None = None
        self._read_plain = self.server_state.plain_reader.read
        assert isinstance(self.config.loaded_app, Streams)
        self._streams = self.config.loaded_app

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._is_inside = _is_unix(transport)
        if self._is_inside:
            self.client, self.server = UNIX_CLIENT, UNIX_SERVER
        # What is the same for all plain requests; no root path is ever configured.
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self.config.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": self.server,
            "client": self.client,
            "scheme": self.scheme,
            "root_path": "",
            "headers": None,
            "state": None,
            "method": None,
            "path": None,
            "raw_path": None,
            "query_string": None,
        }

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        self._idle_since = None
        cycle: RequestResponseCycle | None = self.cycle
        if self._is_between_messages and (cycle is None or cycle.response_complete):
            request = self._read_plain(data)
            if request is not None:
                self._serve_plain(request)
                return
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        if isinstance(self.cycle, PlainCycle):
            self.cycle.flush()
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                if self._continuation is None:
                    self._unset_keepalive_if_required()
                    self.handle_websocket_upgrade()
                    return
                self.parser, self._continuation = self._continuation.parser, None
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError:
                message = "Invalid HTTP request received."
                self.logger.warning(message)
                self.send_400_response(message)
                return
            else:
                return

    def on_message_begin(self) -> None:
        self._is_between_messages = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            self._opens_websocket = self._is_websocket_handshake()
            if not self._opens_websocket:
                self._continuation = _Continuation(
                    self, [header for header in self.headers if header[0] in FRAMING_HEADERS]
                )
        super().on_headers_complete()
        if self.server_state.closes_connections and self.cycle is not None:
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        if self._continuation is not None and self._continuation.body_follows:
            return  # httptools says so at the end of the head; the continuation knows better
        self._is_between_messages = True
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            task = self.loop.create_task(cycle.run_asgi(app))
            task.add_done_callback(self.tasks.discard)
            self.tasks.add(task)
            return
        # A timer that is moved with every request would cost more than most of what is done here.
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch_idleness(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        if self._idle_since is None:
            return  # the end of the current answer sets the timer anew
        left = self._idle_since + self.timeout_keep_alive - self.loop.time()
        if left > 0:
            self._watch_idleness(left)
        else:
            super().timeout_keep_alive_handler()

    def _watch_idleness(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(seconds, self.timeout_keep_alive_handler)

    def _serve_plain(self, request: PlainRequest) -> None:
        method, path, raw_path, query, headers, told, body = request
        scope = self._scope.copy()
        scope["asgi"] = scope["asgi"].copy()
        scope["headers"] = headers
        scope["state"] = self.app_state.copy()
        scope["method"] = method
        scope["path"] = path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        if told is not None and self._is_inside:
            place(scope, told)
        app, loop = self._streams.app, self.loop
        cycle = PlainCycle(self, self._streams, scope, body, not self.server_state.closes_connections)
        self.cycle = cycle
        if sys.version_info >= (3, 12) and loop.get_task_factory() is None:
            # Most applications answer without having to wait, some of them even before this is over.
            cycle.is_attended = True
            task = asyncio.Task(cycle.run_asgi(app), loop=loop, eager_start=True)  # type: ignore[arg-type]
            cycle.is_attended = False
            if cycle.held:
                cycle.flush()
            if task.done():
                cycle.ended(task)
                return
        else:
            task = loop.create_task(cycle.run_asgi(app))  # type: ignore[arg-type]
        self.tasks.add(task)
        task.add_done_callback(cycle.ended)

    def announce_close(self) -> None:
        """Say `Connection: close` with the current answer if it has not begun, else the next one will."""
        if self.cycle is not None and not self.cycle.response_started:  # type: ignore[redundant-expr]  # None at first
            self.cycle.keep_alive = False

    def _should_upgrade(self) -> bool:
        # uvicorn asks this for every piece of a message; the answer may not change within one.
        return self._opens_websocket

    def _is_websocket_handshake(self) -> bool:
        """Whether the request is what RFC 6455 section 4.1 describes, and nothing is still to be answered before it."""
        return (
            self._get_upgrade() == b"websocket"
            and self._should_upgrade_to_ws()
            and self.parser.get_method() == b"GET"
            and self.parser.get_http_version() == "1.1"
            and not any(name in FRAMING_HEADERS and value.strip() != b"0" for name, value in self.headers)
            and (self.cycle is None or self.cycle.response_complete)  # type: ignore[redundant-expr]  # None at first
        )


class DatedWorkerProtocol(WorkerProtocol):
    """Serves one connection from outside the app, where an answer has to carry a date (RFC 9110 section 6.6.1)."""

    def on_message_begin(self) -> None:
        self.server_state.default_headers = _date_header(int(time.time()))
        super().on_message_begin()

    def _serve_plain(self, request: PlainRequest) -> None:
        self.server_state.default_headers = _date_header(int(time.time()))
        super()._serve_plain(request)


class WorkerWebSocket(WebSocketsSansIOProtocol):
    """Serves one WebSocket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = reporter("uvicorn.error")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if _is_unix(transport):
            self.client, self.server = UNIX_CLIENT, UNIX_SERVER


class _Continuation:
    """Reads a connection on from the end of a head whose `Upgrade` is ignored.

    Its parser is fed a made-up head with nothing but the framing headers, whose events are dropped.
    """

    def __init__(self, protocol: WorkerProtocol, framing: list[tuple[bytes, bytes]]) -> None:
        self.body_follows = True
        self._protocol = protocol
        self._reads_head = True
        self.parser = httptools.HttpRequestParser(self)
        lines = (b"%b: %b\r\n" % header for header in framing)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n%b\r\n" % b"".join(lines))
        self._reads_head = False

    def on_message_begin(self) -> None:
        if not self._reads_head:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if not self._reads_head:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._reads_head:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._reads_head:
            self._protocol.on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._protocol.on_body(body)

    def on_message_complete(self) -> None:
        if self._reads_head:
            self.body_follows = False
        else:
            self._protocol.on_message_complete()


def _is_unix(transport: asyncio.BaseTransport) -> bool:
    # Not by the client's address: it is unknown, too, when a client of a TCP port has left already.
    sock: socket.socket | None = transport.get_extra_info("socket")
    return sock is not None and sock.family == socket.AF_UNIX


@lru_cache(maxsize=1)
def _date_header(second: int) -> list[tuple[bytes, bytes]]:
    return [(b"date", formatdate(second, usegmt=True).encode())]
