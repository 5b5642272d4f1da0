"""One connection of hypercorn: strict about requests, bounded in time, and closed when its client is."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import Any, cast

from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Closed, Event, RawData, Updated

from pywatt.http.headers import Header
from pywatt.http.limits import ConnectionLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.server.discard import Discard
from pywatt.http.server.errors import RETRY_AFTER, TOO_MANY_CLIENTS
from pywatt.http.server.fair_queue import FairQueue
from pywatt.http.server.open_connections import OpenConnections
from pywatt.worker.asgi.connection.own_responses import error_response, options_answer
from pywatt.worker.asgi.connection.strict_requests import CheckedRequests

CONTINUE = b"HTTP/1.1 100"
GOODBYE = 1.0
"""Seconds for an application to take that its client is gone; one that takes none of a full queue is cancelled."""


class HypercornConnection(TCPServer):
    """Serves one connection."""

    def __init__(
        self,
        *args: Any,
        connections: OpenConnections[HypercornConnection],
        limits: ConnectionLimits,
        fair_queue: FairQueue,
    ) -> None:
        """`args`: those of TCPServer."""
        super().__init__(*args)
        self._connections = connections
        self._fair_queue = fair_queue
        self._released: asyncio.Future[None] | None = None
        self._limits = limits
        self._requests = CheckedRequests(
            self.reader, limits, now=lambda: connections.now, answer_for_server=self._answer_for_server
        )
        self._task: asyncio.Task[Any] | None = None
        self._since = 0.0
        self._blocked_since = self._closing_since = self._lingers_since = math.inf
        self._is_handling = False
        self._answering = False
        self._ended = False
        """True if nothing more is read: an answer may still go out, but no request is waited for."""
        self._gone = False
        """True if the client is gone or was refused: nothing is served or sent any more."""

    async def run(self) -> None:
        """Serve until the connection ends."""
        self._task = asyncio.current_task()
        self._connections.add(self)
        self._since = self._connections.now
        try:
            await super().run()
        finally:
            self._connections.discard(self)

    def look_at_time(self, now: float) -> None:
        """Enforce the limits on time."""
        limits, arrival = self._limits, self._requests.arrival
        if (
            now - self._blocked_since > limits.write
            or now - self._closing_since > limits.write
            or now - self._lingers_since > limits.linger
        ):
            self.writer.transport.abort()
        elif self.writer.is_closing():
            self._closing_since = min(self._closing_since, now)
        elif arrival.going_on:
            try:
                arrival.check(now, read=not self._is_handling, answering=self._answering)
            except RequestError as error:
                arrival.ended()
                self.reader.set_exception(error)  # comes out of `_read_data`
        elif self._requests.unused and now - self._since > limits.head_timeout:
            self.writer.close()

    def refuse_for_want_of_room(self) -> None:
        """Tell a new client that there are too many, and close."""
        self._gone = True
        self.writer.write(error_response(RequestError(503, TOO_MANY_CLIENTS), [RETRY_AFTER]))
        self.writer.close()

    # What hypercorn calls.

    async def protocol_send(self, event: Event) -> None:
        """Write an event of the protocol."""
        if isinstance(event, RawData):
            self._answering = self._answering or not event.data.startswith(CONTINUE)
            await self._write(event.data)
            return
        if isinstance(event, Updated) and event.idle:
            self._answering = False
            self._requests.answered.set()
            if self._ended:
                return  # a timer for the next request would keep the connection until it fires
        elif isinstance(event, Closed):
            if self._gone:
                return  # it closes when it has lingered
            self._gone = True
            if not self._requests.answered.is_set():
                await self._linger()  # answered before the body was read to its end
        await super().protocol_send(event)

    async def _read_data(self) -> None:
        try:
            while not self._gone and (data := await self._requests.read()):
                self._is_handling = True
                await self.protocol.handle(RawData(data))
                self._is_handling = False
                await self._join_queue()  # what has come already is read without waiting
        except RequestError as error:
            await self._refuse(error)
        except OSError:
            pass  # the client is gone
        self._ended = True
        await self._tell_closed()
        # hypercorn does this only after everything of the connection has ended, the timer of the idle one included.
        await self.idle_task.stop()

    # For the line.

    def read_held(self) -> None:
        """Read on."""
        if self._released is not None and not self._released.done():
            self._released.set_result(None)

    # Inside.

    async def _join_queue(self) -> None:
        self._released = asyncio.get_running_loop().create_future()
        self._fair_queue.add(self)
        await self._released

    async def _write(self, data: bytes) -> None:
        if self._gone:
            await asyncio.sleep(0)  # an application that goes on sending must not keep the event loop to itself
            return
        async with self.send_lock:
            self._blocked_since = self._connections.now
            try:
                self.writer.write(data)
                await self.writer.drain()
            except (OSError, RuntimeError, RequestError):
                await self._tell_closed()
            finally:
                self._blocked_since = math.inf

    async def _tell_closed(self) -> None:
        self._gone = True
        try:
            async with asyncio.timeout(GOODBYE):
                await self.protocol.handle(Closed())
        except TimeoutError:
            if self._task is not None:
                self._task.cancel()

    async def _answer_for_server(self, head: RequestHead) -> None:
        await self._write(options_answer(self._headers(), close=not head.keep_alive))
        if not head.keep_alive:
            self.writer.close()
        await self._join_queue()

    async def _refuse(self, error: RequestError) -> None:
        """Answer a request that must not be served, and discard further bytes."""
        if self._answering:
            self.writer.transport.abort()
            return
        self._ended = True
        await self._tell_closed()
        with suppress(OSError, RuntimeError):
            self.writer.write(error_response(error, self._headers()))
            await self._linger()

    async def _linger(self) -> None:
        """Read further bytes, so that the client reads its response. Raises OSError, RuntimeError."""
        self._lingers_since = self._connections.now
        ended = asyncio.Event()
        transport = cast(asyncio.Transport, self.writer.transport)  # uvloop's is none, but does all that one does
        Discard(transport, call_later=self._fair_queue.call_later, ended=ended.set)
        await ended.wait()

    def _headers(self) -> list[Header]:
        return list(self.config.response_headers("h11"))
