"""A worker's side of one HTTP/1.1 connection: requests that are read as strictly as at the gateway, for ASGI.

Plain requests, as nearly all are, take a shorter way to the application: docs/adr/0007.
"""

from __future__ import annotations

import asyncio
import sys
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from uvicorn import Config
from uvicorn.server import ServerState

from pywatt.http.application_request_reader import ApplicationRequestReader, sent_target
from pywatt.http.headers import Header
from pywatt.http.limits import ConnectionLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.server.connection import NEVER, ServerConnection
from pywatt.http.server.errors import ALLOW
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.open_connections import OpenConnections
from pywatt.http.server.state import CLOSED, READING, WAITING
from pywatt.http.tls.client_certificate import is_secure, tls_extension
from pywatt.worker.asgi.connection.own_responses import concerns_server
from pywatt.worker.asgi.connection.request_timeouts import Arrival
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.fast_path.request import PlainReader
from pywatt.worker.asgi.forwarded import UNIX_CLIENT, UNIX_SERVER, Forwarded, forwarded, is_inside, place
from pywatt.worker.asgi.http_cycle import HIGH_WATER, HttpCycle
from pywatt.worker.asgi.websocket import WorkerWebSocket


class HttpListener(ServerState):
    """Shared state of the connections of one kind; uvicorn's WebSockets share it too."""

    def __init__(
        self,
        connections: OpenConnections[Any],
        tasks: set[asyncio.Task[None]],
        limits: ConnectionLimits | None = None,
        fair_queue: FairQueue | None = None,
    ) -> None:
        super().__init__()
        self.connections, self.tasks = connections, tasks
        self._clock = connections
        self.limits = limits or ConnectionLimits()
        self.draining = False
        """True when each response says `Connection: close`."""
        self.plain_reader = PlainReader()
        self.fair_queue = fair_queue or FairQueue()

    @property
    def now(self) -> float:
        """Seconds of a monotonic clock, right to about a second."""
        return self._clock.now

    @property
    def date(self) -> bytes:
        """A header line."""
        return b"date: %b\r\n" % _date_header(int(time.time()))[0][1]

    def opened(self, client: Any) -> None:
        """Add a connection."""
        self.connections.add(client)

    def closed(self, client: Any) -> None:
        """Remove a connection."""
        self.connections.discard(client)


class HttpConnection(ServerConnection[HttpListener]):
    """Serves one connection."""

    is_dated = False

    def __init__(
        self, *, config: Config, server_state: HttpListener, app_state: dict[str, Any], _loop: Any = None
    ) -> None:
        self._requests = ApplicationRequestReader(server_state.limits.head)
        super().__init__(server_state, self._requests, dated=self.is_dated)
        assert isinstance(config.loaded_app, Streams)
        self.streams = config.loaded_app
        self._new_cycle: type[HttpCycle] = self.streams.cycle or HttpCycle
        self.tasks = server_state.tasks
        self.common_headers = server_state.default_headers
        """Header fields of every response."""
        self._config = config
        self._app_state = app_state
        self._loop = _loop or asyncio.get_event_loop()
        self._cycle: HttpCycle | None = None
        """The request that is served; it stays until the next one begins."""
        self._arrival = Arrival(server_state.limits)
        self._read_plain = server_state.plain_reader.read
        self.writable: asyncio.Event | None = None
        """Set once more may be written; None while it may."""
        self._is_inside = False
        """True for a connection over the unix socket."""
        self._tls: dict[str, Any] | None = None
        """The extension `tls` of scopes; None: the connection is plain."""

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        client, server = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        self._is_inside = is_inside(transport)
        if self._is_inside:
            client, server = UNIX_CLIENT, UNIX_SERVER
        # What is the same for all requests; no root path is ever configured.
        self._scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.3"},
            "http_version": "1.1",
            "server": (str(server[0]), int(server[1])) if server else None,
            "client": (str(client[0]), int(client[1])) if client else None,
            "scheme": "http",
            "root_path": "",
            "headers": None,
            "state": None,
            "method": None,
            "path": None,
            "raw_path": None,
            "query_string": None,
        }
        self._scope["http_version"] = transport.get_extra_info("http_version") or "1.1"
        if is_secure(transport):
            self._scope["scheme"] = "https"
            self._tls = tls_extension(transport)

    def data_received(self, data: bytes) -> None:
        if self.state is READING and self._blocked_since == NEVER and not self._held and not self._reader.started:
            request = self._read_plain(data)
            if request is not None:
                method, path, raw_path, query, headers, told, body = request
                self.state = WAITING
                self._begin(
                    self._new_cycle(
                        self,
                        self._new_scope(method, path, raw_path, query, headers, told),
                        body,
                        not self._server.draining,
                    )
                )
                return
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._cycle = None  # they name each other

    def pause_writing(self) -> None:
        self.writable = asyncio.Event()
        super().pause_writing()

    def resume_writing(self) -> None:
        self._let_write()
        super().resume_writing()

    # For cycles.

    @property
    def is_closing(self) -> bool:
        """True when writes no longer reach the client."""
        return self._transport is None or self._transport.is_closing()

    async def drain(self) -> None:
        """Wait until more may be written, or nobody takes it."""
        if self.writable is not None:
            await self.writable.wait()

    def answered(self, cycle: HttpCycle) -> None:
        """Go on after a complete response."""
        if self.state is WAITING and cycle.keep_alive and not (self._serving or self._held or self._reading_paused):
            # What `_next` comes to after a plain request.
            self._unused = False
            self._since = self._server.now
            self.state = READING
            return
        self._since = self._server.now
        if not cycle.keep_alive:
            if self.state is WAITING and not self._held and not self._reading_paused:
                self.close()
            else:
                self._linger()
        elif self.state is WAITING:
            self._next()
        elif self._asked_to_wait:
            self.resume_reading()  # the rest of the body is read, and dropped

    # For the engine.

    @property
    def transport(self) -> asyncio.Transport | None:
        """The connection's transport, None once it is lost."""
        return self._transport

    def shutdown(self) -> None:
        """Close after the current response; at once without one."""
        if self._cycle is None or self._cycle.response_complete:
            self.close()
        else:
            self._cycle.keep_alive = False

    def announce_close(self) -> None:
        """Say `Connection: close` with the current response if it has not begun, else the next one will."""
        if self._cycle is not None and not self._cycle.response_started:
            self._cycle.keep_alive = False

    # For ServerConnection.

    def _on_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        if head.websocket:
            self._upgrade(head)
        elif concerns_server(head):
            self._answer_for_server()
        else:
            self._note_arrival(body, ended)
            self._begin_request(head, body, ended)

    def _on_body(self, body: bytes, ended: bool) -> None:
        cycle = self._cycle
        assert cycle is not None
        self._note_arrival(body, ended)
        if not cycle.response_complete:
            cycle.add_body(body, more=not ended)
            self._wait_for_application(cycle)
        elif ended:
            self._next()

    def _leave(self) -> None:
        if self._cycle is not None and not self._cycle.response_complete:
            self._cycle.disconnect()
        self._let_write()

    @property
    def _responding(self) -> bool:
        cycle = self._cycle
        return self._serving and cycle is not None and cycle.response_started

    def _check_request_time(self, now: float) -> None:
        cycle = self._cycle
        if not self._arrival.going_on or cycle is None:
            super()._check_request_time(now)
            return
        answering = cycle.response_started and not cycle.response_complete
        try:
            self._arrival.check(now, read=not self._reading_paused, answering=answering)
        except RequestError as error:
            self._arrival.ended()
            self._refuse(error)

    # Inside.

    def _let_write(self) -> None:
        if self.writable is not None:
            self.writable.set()
            self.writable = None

    def _wait_for_application(self, cycle: HttpCycle) -> None:
        """Stop reading while much of the body waits to be received."""
        if cycle.more_body and cycle.body is not None and len(cycle.body) > HIGH_WATER:
            self.pause_reading()

    def _note_arrival(self, body: bytes, ended: bool) -> None:
        if ended:
            self._arrival.ended()
        else:
            self._arrival.body_goes_on(self._server.now, len(body))

    def _begin_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        raw_path, query = sent_target(head.target)
        path, headers = raw_path.decode(), self._requests.own_fields()
        if "%" in path:
            path = unquote(path)
        told = forwarded(dict(headers)) if self._is_inside else None
        scope = self._new_scope(head.method.decode(), path, raw_path, query[1:], headers, told)
        keep_alive = bool(head.minor) and head.keep_alive and not self._server.draining
        cycle = self._new_cycle(self, scope, body, keep_alive)
        if not head.minor:
            scope["http_version"] = "1.0"
            cycle.is_old = True
        cycle.more_body = not ended
        cycle.expects_continue = head.expects_continue
        self._begin(cycle)
        if not cycle.response_complete:
            self._wait_for_application(cycle)

    def _begin(self, cycle: HttpCycle) -> None:
        self._cycle = cycle
        loop, app = self._loop, self.streams.app
        if sys.version_info >= (3, 12) and loop.get_task_factory() is None:
            # Most applications answer without having to wait, some of them even before this is over.
            cycle.is_attended = True
            task = asyncio.Task(cycle.run(app), loop=loop, eager_start=True)
            cycle.is_attended = False
            if cycle.held:
                cycle.flush()
            if task.done():
                cycle.ended(task)
                return
        else:
            task = loop.create_task(cycle.run(app))
        self.tasks.add(task)
        task.add_done_callback(cycle.ended)

    def _new_scope(
        self, method: str, path: str, raw_path: bytes, query: bytes, headers: list[Header], told: Forwarded | None
    ) -> dict[str, Any]:
        scope = self._scope.copy()
        scope["asgi"] = scope["asgi"].copy()
        scope["headers"] = headers
        scope["state"] = self._app_state.copy()
        scope["method"] = method
        scope["path"] = path
        scope["raw_path"] = raw_path
        scope["query_string"] = query
        if told is not None and self._is_inside:
            place(scope, told)
        elif self._tls is not None:
            scope["extensions"] = {"tls": self._tls.copy()}
        return scope

    def _upgrade(self, head: RequestHead) -> None:
        """Hand the connection over to the protocol of WebSockets."""
        path, query = sent_target(head.target)
        lines = [b"GET ", path, query, b" HTTP/1.1\r\n"]
        for name, value in self._requests.own_fields():
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"\r\n")
        transport, rest = self._transport, bytes(self._held)
        assert transport is not None
        self._held.clear()
        self._server.closed(self)
        if self._reading_paused:
            transport.resume_reading()
        self.state = CLOSED
        self._transport = None
        protocol = WorkerWebSocket(config=self._config, server_state=self._server, app_state=self._app_state)
        protocol.connection_made(transport)
        protocol.data_received(b"".join(lines))
        transport.set_protocol(protocol)
        if rest:
            protocol.data_received(rest)

    def _answer_for_server(self) -> None:
        keep = self._keeps_alive()
        self._write_response(204, (ALLOW,), b"", keep=keep)
        if keep:
            self._next()
        else:
            self._finish()


class DatedHttpConnection(HttpConnection):
    """Serves one connection from outside the app, where a response has to carry a date (RFC 9110 section 6.6.1)."""

    is_dated = True

    def _begin(self, cycle: HttpCycle) -> None:
        self.common_headers = _date_header(int(time.time()))
        super()._begin(cycle)


@lru_cache(maxsize=1)
def _date_header(second: int) -> list[Header]:
    return [(b"date", formatdate(second, usegmt=True).encode())]
