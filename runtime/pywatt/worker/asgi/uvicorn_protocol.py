"""The HTTP/1.1 protocol of workers: uvicorn's answers to requests that are read as strictly as the gateway reads them.

Requests are read one at a time and begun one after the other, each in a turn of the loop of its own, and none while the
client does not read its responses. So a connection holds no more than a request and the bytes read behind it, and
none delays the others by more than one request.

Plain requests, as nearly all are, take a shorter way to the application: docs/adr/0007.
"""

from __future__ import annotations

import asyncio
import math
import sys
import time
from email.utils import formatdate
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from pywatt.http.limits import MAX_HELD, ConnectionLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.server.discard import Discard
from pywatt.http.server.turns import Turns
from pywatt.http.whole_request import WholeRequestReader, sent_target
from pywatt.logs.reporter import reporter
from pywatt.worker.asgi.connection.arrival import Arrival
from pywatt.worker.asgi.connection.byte_queue import ByteQueue
from pywatt.worker.asgi.connection.connections import Connections
from pywatt.worker.asgi.connection.cycles import Cycle, OldClientCycle
from pywatt.worker.asgi.connection.flow_control import WorkerFlowControl
from pywatt.worker.asgi.connection.own_responses import concerns_server, error_response, options_answer
from pywatt.worker.asgi.fast_path.cycle import PlainCycle
from pywatt.worker.asgi.fast_path.request import PlainReader, PlainRequest
from pywatt.worker.asgi.forwarded import UNIX_CLIENT, UNIX_SERVER, is_inside, place
from pywatt.worker.asgi.streams import Streams

HEAD_PIECE = 4 * 1024
BODY_PIECE = 256 * 1024
"""Held bytes that are read at once."""


class WorkerState(ServerState):
    """Shared state of all connections of one kind."""

    def __init__(
        self, connections: Connections, tasks: set[asyncio.Task[None]], limits: ConnectionLimits | None = None
    ) -> None:
        super().__init__()
        self.connections, self.tasks = connections, tasks
        self.clock = connections
        self.limits = limits or ConnectionLimits()
        self.closes_connections = False
        """True if each answer says `Connection: close` from now on."""
        self.plain_reader = PlainReader()
        self.turns = Turns()


class WorkerProtocol(HttpToolsProtocol):
    """Serves one connection."""

    server_state: WorkerState
    flow: WorkerFlowControl

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        state = self.server_state
        self.logger = reporter("uvicorn.error")
        self._is_inside = False
        """True if the connection is one over the unix socket."""
        self.parser = None  # type: ignore[assignment]  # it is not uvicorn's callbacks that read here
        self._clock = state.clock
        self._reader = WholeRequestReader(state.limits.head)
        self._arrival = Arrival(state.limits)
        self._held = ByteQueue()
        self._at_rest = True
        """True if the next bytes may be a plain request: nothing is half read, held or kept from being written."""
        self._lingers = False
        self._waits = False
        """True if it is in line for its turn to read what is held."""
        self._since = self._blocked_since = self._closing_since = math.inf
        self._read_plain = state.plain_reader.read
        assert isinstance(self.config.loaded_app, Streams)
        self._streams = self.config.loaded_app

    # For the event loop.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = WorkerFlowControl(transport)  # pyright: ignore[reportIncompatibleVariableOverride]
        self._since = self._clock.now
        self._is_inside = is_inside(transport)
        if self._is_inside:
            self.client, self.server = UNIX_CLIENT, UNIX_SERVER
        # What is the same for all requests; no root path is ever configured.
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
        self._at_rest = False
        self._held.take()

    def data_received(self, data: bytes) -> None:
        cycle: RequestResponseCycle | None = self.cycle
        if self._at_rest and (cycle is None or cycle.response_complete):
            request = self._read_plain(data)
            if request is not None:
                self._serve_plain(request)
                return
        self._held.add(data)
        if not self._waits:
            self._go_on()
        elif len(self._held) > MAX_HELD:
            self.flow.hold()

    def pause_writing(self) -> None:
        self._blocked_since = self._clock.now
        self._at_rest = False
        super().pause_writing()

    def resume_writing(self) -> None:
        self._blocked_since = math.inf
        super().resume_writing()
        self._go_on_soon()

    def take_turn(self) -> None:
        """Read on."""
        self._waits = False
        if not self.transport.is_closing():
            self._go_on()

    # For cycles.

    def on_response_complete(self) -> None:
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        self._since = self._clock.now
        if not self._at_rest:
            self._go_on_soon()

    # For the engine.

    def look_at_time(self, now: float) -> None:
        """Enforce the limits on time."""
        limits, cycle = self.server_state.limits, self.cycle
        answered = cycle is None or cycle.response_complete  # type: ignore[redundant-expr]  # None at first
        if now - self._blocked_since > limits.write or now - self._closing_since > limits.write:
            self.transport.abort()
        elif self._lingers:
            if now - self._since > limits.linger:
                self.transport.abort()
        elif self.transport.is_closing():
            self._closing_since = min(self._closing_since, now)
        elif self._arrival.going_on:
            answering = cycle is not None and cycle.response_started and not answered  # type: ignore[redundant-expr]
            try:
                self._arrival.check(now, read=not self.flow.read_paused, answering=answering)
            except RequestError as error:
                self._refuse(error)
        elif answered and not self._held and not self.flow.write_paused and now - self._since > self._idle_limit:
            self.transport.close()

    def announce_close(self) -> None:
        """Say `Connection: close` with the current answer if it has not begun, else the next one will."""
        if self.cycle is not None and not self.cycle.response_started:  # type: ignore[redundant-expr]  # None at first
            self.cycle.keep_alive = False

    # Inside: requests that are not plain.

    @property
    def _idle_limit(self) -> float:
        limits = self.server_state.limits
        return limits.head_timeout if self.cycle is None else limits.keep_alive  # type: ignore[redundant-expr]

    def _go_on_soon(self) -> None:
        if not self._waits and not self.transport.is_closing():
            self._waits = True
            self.server_state.turns.add(self)

    def _go_on(self) -> None:
        """Read the held bytes as far as allowed now."""
        reader, held = self._reader, self._held
        if isinstance(self.cycle, PlainCycle):
            self.cycle.flush()  # the answer to HEAD is complete before its head is written
        try:
            while self._may_read():
                piece = held.first(HEAD_PIECE if reader.head is None else BODY_PIECE)
                begun = reader.head
                rest = reader.feed(piece)
                held.drop(len(piece) - len(rest))
                head = reader.head
                if head is None:
                    self._arrival.head_goes_on(self._clock.now)
                    continue
                if begun is None:
                    self._at_rest = False
                    if head.websocket:
                        self._upgrade(head)
                        return
                    if concerns_server(head):
                        self._answer_for_server(head)
                        break
                    self._begin(head)
                self._take_body()
                if rest and not reader.complete:
                    self._go_on_soon()  # many small chunks: the others' turn
                    break
        except RequestError as error:
            self._refuse(error)
            return
        if len(held) > MAX_HELD:
            self.flow.hold()
        else:
            self.flow.release()
        self._at_rest = not held and not reader.started and not self.flow.write_paused and not self._waits

    def _may_read(self) -> bool:
        reader, cycle = self._reader, self.cycle
        if self.transport.is_closing():
            return False
        if cycle is not None and not cycle.response_complete:  # type: ignore[redundant-expr]  # None at first
            # The body of the current request. A plain one has been read to its end.
            return bool(self._held) and reader.head is not None and not reader.complete
        if reader.complete:
            reader.next()
        return bool(self._held) and (reader.head is not None or not self.flow.write_paused)

    def _begin(self, head: RequestHead) -> None:
        path, query = sent_target(head.target)
        scope = self._new_scope(head.method.decode(), path, query[1:])
        scope["headers"] = self._reader.own_fields()
        cycle_class = Cycle
        if not head.minor:
            scope["http_version"] = "1.0"
            cycle_class = OldClientCycle
        self.cycle = cycle = cycle_class(
            scope=scope,  # type: ignore[arg-type]  # uvicorn's types name every key
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=self.access_log,
            default_headers=self._headers(),
            message_event=asyncio.Event(),
            expect_100_continue=head.expects_continue,
            keep_alive=bool(head.minor) and head.keep_alive and not self.server_state.closes_connections,
            on_response=self.on_response_complete,
        )
        task = self.loop.create_task(cycle.run_asgi(self._streams))  # type: ignore[arg-type]
        task.add_done_callback(self.tasks.discard)
        self.tasks.add(task)

    def _take_body(self) -> None:
        reader, cycle = self._reader, self.cycle
        body = reader.take_body()
        if reader.complete:
            self._arrival.ended()
        else:
            self._arrival.body_goes_on(self._clock.now, len(body))
        if cycle.response_complete:
            self._since = self._clock.now
            return
        cycle.body += body
        if len(cycle.body) > HIGH_WATER_LIMIT:
            self.flow.pause_reading()
        cycle.more_body = not reader.complete
        if body or reader.complete:
            cycle.message_event.set()

    def _upgrade(self, head: RequestHead) -> None:
        path, query = sent_target(head.target)
        self._arrival.ended()
        self.scope = {"method": "GET", "headers": self._reader.own_fields()}  # type: ignore[typeddict-item]
        self.url = path + query
        rest = self._held.take()
        self.flow.release()
        self.handle_websocket_upgrade()
        if rest:
            protocol = self.transport.get_protocol()
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(rest)

    def _answer_for_server(self, head: RequestHead) -> None:
        self._arrival.ended()
        close = not head.keep_alive or self.server_state.closes_connections
        self.transport.write(options_answer(self._headers(), close=close))
        if close:
            self.transport.close()
        else:
            self.on_response_complete()

    def _refuse(self, error: RequestError) -> None:
        """Answer a request that must not be served, and read no further: the begin of the next one is unknown."""
        cycle: RequestResponseCycle | None = self.cycle
        if self._arrival.in_body and cycle is not None:
            if cycle.response_started:
                self.transport.abort()
                return
            cycle.disconnected = True
            cycle.message_event.set()
        self.transport.write(error_response(error, self._headers()))
        self._arrival.ended()
        self._held.take()
        self.flow.release()
        self.flow.resume_reading()
        self._at_rest = False
        self._lingers = True
        self._since = self._clock.now
        Discard(self.transport, call_later=self.server_state.turns.call_later)

    # Inside: plain requests.

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

    def _new_scope(self, method: str, raw_path: bytes, query: bytes) -> dict[str, Any]:
        path = raw_path.decode()
        return {
            **self._scope,
            "asgi": self._scope["asgi"].copy(),
            "state": self.app_state.copy(),
            "method": method,
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
        }

    def _headers(self) -> list[tuple[bytes, bytes]]:
        """Return the header fields of every answer."""
        return self.server_state.default_headers


class DatedWorkerProtocol(WorkerProtocol):
    """Serves one connection from outside the app, where an answer has to carry a date (RFC 9110 section 6.6.1)."""

    def _headers(self) -> list[tuple[bytes, bytes]]:
        self.server_state.default_headers = _date_header(int(time.time()))
        return self.server_state.default_headers

    def _serve_plain(self, request: PlainRequest) -> None:
        self.server_state.default_headers = _date_header(int(time.time()))
        super()._serve_plain(request)


@lru_cache(maxsize=1)
def _date_header(second: int) -> list[tuple[bytes, bytes]]:
    return [(b"date", formatdate(second, usegmt=True).encode())]
