"""An HTTP/1.1 client with pooled connections: to URLs over TCP and TLS, and to unix addresses."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

from pywatt.errors import MeshError
from pywatt.http.client.address import Address, Location, TcpAddress, locate_url
from pywatt.http.client.call import Collector, Outcome, Response, took_too_long, write_request
from pywatt.http.client.connection import ClientConnection
from pywatt.http.client.dial import Admit
from pywatt.http.client.limits import ClientLimits
from pywatt.http.client.pool import Pool
from pywatt.http.client.timeout_queue import TimeoutQueue
from pywatt.http.headers import Header

SWEEP = 1.0
"""Seconds between two looks for stale connections."""
MANY_TIMEOUTS = 64
"""Different timeouts above which the queues without a call are dropped."""


class HttpClient:
    """Makes calls over pooled connections. Used as `async with HttpClient() as client`."""

    def __init__(
        self,
        *,
        limits: ClientLimits = ClientLimits(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
        tls: ssl.SSLContext | None = None,
        admit: Admit | None = None,
    ) -> None:
        """`tls`: for https URLs; default: the system's certificates. `admit`: the addresses that the hosts of URLs may
        lead to; default: all."""
        self._limits = limits
        self._clock = clock
        self._tls = tls
        self._admit = admit
        self._origins: dict[Address, Pool] = {}
        self._dials: set[asyncio.Task[None]] = set()
        self._tasks = asyncio.TaskGroup()
        self._sweeper: asyncio.TimerHandle | None = None
        self._timeouts: dict[float, TimeoutQueue] = {}
        """Queues by the timeout of their calls, in seconds."""

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._sweep()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for timeouts in self._timeouts.values():
            timeouts.close()
        for task in list(self._dials):
            task.cancel()
        for pool in list(self._all_pools()):
            await pool.close()
        # Not told of the error: it is the caller's, and must not come out wrapped in a group.
        await self._tasks.__aexit__(None, None, None)

    async def request(
        self,
        method: str,
        url: str,
        *,
        address: Address | None = None,
        headers: Sequence[Header] = (),
        lines: bytes = b"",
        body: bytes = b"",
        timeout: float | None = None,
    ) -> Response:
        """Make one call and return the whole response, also one with an error status.

        `address`: connected to in place of the URL's host, which only stands in the request. `timeout` (seconds) covers
        everything, waiting for a worker included. Fields of `headers` that belong to the connection (Host,
        Content-Length, Connection ...) are left out: the client writes its own. `lines`: further headers, as
        `header_lines` made them. A call that got no byte of a response over a used connection is repeated once if its
        method is idempotent. Raises MeshError, ValueError for a method or header that cannot be sent.
        """
        location = self._locate(url)
        data = write_request(method, location, headers, body, lines)
        destination = location.destination if address is None else address
        connection = self.take(destination)
        begun = self._clock()
        if connection is not None:
            timeouts = None if timeout is None else self._timeouts_of(timeout)
            response = await self._call(connection, method, url, data, timeouts)
            if response is not None:
                return response
        try:
            async with asyncio.timeout(None if timeout is None else timeout - (self._clock() - begun)):
                connection = await self.connect(destination)
                response = await self._call(connection, method, url, data)
                assert response is not None  # the connection is new
                return response
        except TimeoutError as error:
            raise took_too_long(method, url, timeout or 0.0) from error

    def begin(
        self, method: str, url: str, done: Callable[[Outcome], None], *, lines: bytes, body: bytes, timeout: float
    ) -> Collector | None:
        """Do what `request` does without a task, and call back with the outcome. None: there is no idle connection.

        Then, and when the outcome is None, only `request` can make the call. Ending what is returned breaks the call
        off without calling back. Raises MeshError, ValueError.
        """
        location = self._locate(url)
        data = write_request(method, location, (), body, lines)
        connection = self.take(location.destination)
        if connection is None:
            return None
        collector = Collector(method, url, self._limits.response_body, done)
        collector.start(connection, data, self._timeouts_of(timeout))
        return collector

    async def _call(
        self, connection: ClientConnection, method: str, url: str, data: bytes, timeouts: TimeoutQueue | None = None
    ) -> Response | None:
        """Make one call over a connection; return None when it may be made again. Raises MeshError."""
        came: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()

        def done(outcome: Outcome) -> None:
            if came.done():
                return  # cancelled
            if isinstance(outcome, MeshError):
                came.set_exception(outcome)
            else:
                came.set_result(outcome)

        collector = Collector(method, url, self._limits.response_body, done)
        collector.start(connection, data, timeouts)
        try:
            return await came
        finally:
            collector.end()

    # For callers that stream.

    def take(self, destination: Address) -> ClientConnection | None:
        """Return an idle connection; None: `connect` or `dial` has to open one.

        The caller must start an exchange on it at once.
        """
        pool = self._origins.get(destination)
        return pool.take() if pool is not None else None

    async def connect(self, destination: Address, avoid: Collection[str] = ()) -> ClientConnection:
        """Open a connection. Raises MeshError. `avoid`: for a destination with several servers, see MeshClient.

        The caller must start an exchange on it at once.
        """
        return await self._origin(destination).connect()

    def dial(
        self,
        destination: Any,
        opened: Callable[[ClientConnection], None],
        failed: Callable[[MeshError], None],
        avoid: Collection[str] = (),
    ) -> asyncio.Task[None]:
        """Do what `connect` does in a task of the client's own, and call back. Cancelling the task gives up."""
        task = self._tasks.create_task(self._dial(destination, opened, failed, avoid))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)
        return task

    def close_stale(self) -> None:
        """Close connections that were not used for `ClientLimits.idle`; done every second."""
        for pool in list(self._all_pools()):
            pool.close_stale()
        for address in [address for address, pool in self._origins.items() if pool.unused]:
            del self._origins[address]

    def _locate(self, url: str) -> Location[Any]:
        return locate_url(url)

    def _all_pools(self) -> Iterable[Pool]:
        return self._origins.values()

    async def _dial(
        self,
        destination: Any,
        opened: Callable[[ClientConnection], None],
        failed: Callable[[MeshError], None],
        avoid: Collection[str],
    ) -> None:
        try:
            connection = await self.connect(destination, avoid)
        except MeshError as error:
            failed(error)
        else:
            opened(connection)

    def _timeouts_of(self, timeout: float) -> TimeoutQueue:
        timeouts = self._timeouts.get(timeout)
        if timeouts is None:
            if len(self._timeouts) >= MANY_TIMEOUTS:
                self._timeouts = {seconds: each for seconds, each in self._timeouts.items() if not each.idle}
            timeouts = self._timeouts[timeout] = TimeoutQueue(timeout)
        return timeouts

    def _origin(self, address: Address) -> Pool:
        pool = self._origins.get(address)
        if pool is None:
            if isinstance(address, TcpAddress) and address.tls and self._tls is None:
                self._tls = ssl.create_default_context()
            pool = self._origins[address] = self._pool(str(address), address, self._admit)
        return pool

    def _pool(self, name: str, address: Address, admit: Admit | None = None) -> Pool:
        return Pool(name, address, limits=self._limits, clock=self._clock, tls=self._tls, admit=admit)

    def _sweep(self) -> None:
        self.close_stale()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP, self._sweep)
