"""The HTTP/1.1 client for our own traffic: the gateway's, the webhooks', the health checks'."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from pywatt.errors import ConnectFailed, MeshError, ServiceUnavailable
from pywatt.http.client.address import Address, TcpAddress, parse_endpoint
from pywatt.http.client.call import Collector, Outcome, Response, took_too_long, write_request
from pywatt.http.client.connection import Connection
from pywatt.http.client.deadlines import Deadlines
from pywatt.http.client.pool import Admit, Pool
from pywatt.http.headers import Header
from pywatt.mesh.address import Destination, ServiceAddress, locate, unknown_service
from pywatt.mesh.balance import least_busy
from pywatt.mesh.limits import MeshLimits
from pywatt.mesh.table import MeshService, MeshTable, not_running

__all__ = ["MeshClient", "Response"]

SWEEP = 1.0
"""Seconds between two looks for stale connections."""
FIRST_RETRY = 0.02
LAST_RETRY = 1.0
"""Seconds after which endpoints that refused a connection are tried again, doubling from the first to the last."""
MANY_DEADLINES = 64
"""Different times of calls from which on those are forgotten that no call has any more."""


class MeshClient:
    """Calls services of this app by their id, and anything else by its URL, over pooled connections.

    Used as `async with MeshClient(table) as client`.
    """

    def __init__(
        self,
        table: MeshTable,
        *,
        limits: MeshLimits = MeshLimits(),  # noqa: B008 - frozen
        clock: Callable[[], float] = time.monotonic,
        tls: ssl.SSLContext | None = None,
        admit: Admit | None = None,
    ) -> None:
        """`tls`: for https URLs; default: the system's certificates. `admit`: which addresses outside the app may be
        connected to; default: all."""
        self._limits = limits
        self._clock = clock
        self._tls = tls
        self._admit = admit
        self._table = MeshTable(table.version - 1)
        self._pools: dict[str, Pool] = {}
        """By id of the endpoint."""
        self._services: dict[str, list[Pool]] = {}
        """By id in lower case, as ServiceAddress has it."""
        self._origins: dict[TcpAddress, Pool] = {}
        self._retiring: set[Pool] = set()
        self._changed = asyncio.Event()
        self._waiting = 0
        self._turn = 0
        self._dials: set[asyncio.Task[None]] = set()
        self._tasks = asyncio.TaskGroup()
        self._sweeper: asyncio.TimerHandle | None = None
        self._deadlines: dict[float, Deadlines] = {}
        """By the seconds that calls have."""
        self._take_table(table)

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._sweep()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        for deadlines in self._deadlines.values():
            deadlines.close()
        for task in list(self._dials):
            task.cancel()
        for pool in (*self._pools.values(), *self._origins.values(), *self._retiring):
            await pool.close()
        # Not told of the error: it is the caller's, and must not come out wrapped in a group.
        await self._tasks.__aexit__(None, None, None)

    @property
    def table(self) -> MeshTable:
        """The newest table that was applied."""
        return self._table

    def apply(self, table: MeshTable) -> None:
        """Take a newer table: new calls go by it at once."""
        if table.version > self._table.version:
            self._take_table(table)

    async def changed(self) -> None:
        """Wait until a newer table is applied."""
        await self._changed.wait()

    async def drained(self) -> None:
        """Wait until the calls in flight to endpoints that no table has any more have ended.

        The wait is bounded by `Limits.drain` per endpoint, counted from when it was dropped; longer calls go on.
        """
        for pool in list(self._retiring):
            try:
                async with asyncio.timeout(pool.retired_at + self._limits.drain - self._clock()):
                    await pool.drained.wait()
            except TimeoutError:
                continue

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Sequence[Header] = (),
        lines: bytes = b"",
        body: bytes = b"",
        timeout: float | None = None,
    ) -> Response:
        """Make one call and return the whole response, whatever its status.

        `timeout` (seconds) covers everything, waiting for a worker included. Fields of `headers` that belong to the
        connection (Host, Content-Length, Connection ...) are left out: the client writes its own. `lines`: further
        headers, as `header_lines` made them. A call that got no byte of a response over a used connection is repeated
        once if its method is idempotent. Raises MeshError, ValueError for a method or header that cannot be sent.
        """
        location = locate(url)
        data = write_request(method, location, headers, body, lines)
        connection = self.take(location.destination)
        begun = self._clock()
        if connection is not None:
            deadlines = None if timeout is None else self._deadlines_of(timeout)
            response = await self._call(connection, method, url, data, deadlines)
            if response is not None:
                return response
        try:
            async with asyncio.timeout(None if timeout is None else timeout - (self._clock() - begun)):
                connection = await self.connect(location.destination)
                response = await self._call(connection, method, url, data)
                assert response is not None  # the connection is new
                return response
        except TimeoutError as error:
            raise took_too_long(method, url, timeout or 0.0) from error

    def begin(
        self, method: str, url: str, done: Callable[[Outcome], None], *, lines: bytes, body: bytes, timeout: float
    ) -> Collector | None:
        """Do what `request` does without a task, and call back with what came of it. None: there is no idle connection.

        Then, and when None comes of it, only `request` can make the call. Ending what is returned breaks the call off
        without calling back. Raises MeshError, ValueError.
        """
        location = locate(url)
        data = write_request(method, location, (), body, lines)
        connection = self.take(location.destination)
        if connection is None:
            return None
        collector = Collector(method, url, self._limits.response_body, done)
        collector.start(connection, data, self._deadlines_of(timeout))
        return collector

    async def _call(
        self, connection: Connection, method: str, url: str, data: bytes, deadlines: Deadlines | None = None
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
        collector.start(connection, data, deadlines)
        try:
            return await came
        finally:
            collector.end()

    # For callers that stream.

    def take(self, destination: Destination) -> Connection | None:
        """Return an idle connection to the least busy worker; None: `connect` or `dial` has to open one.

        The caller must start an exchange on it at once.
        """
        if isinstance(destination, ServiceAddress):
            pools = self._services.get(destination.id)
            if not pools:
                return None
            self._turn += 1  # here only: `connect` goes on with the choice of the same turn
            return (pools[0] if len(pools) == 1 else self._least_busy(pools)).take()
        pool = self._origins.get(destination)
        return pool.take() if pool is not None else None

    async def connect(self, destination: Destination) -> Connection:
        """Open a connection to the least busy worker, waiting for one to be ready. Raises MeshError.

        The caller must start an exchange on it at once.
        """
        if isinstance(destination, TcpAddress):
            return await self._origin(destination).connect()
        begun = self._clock()
        delay = FIRST_RETRY
        refusals: dict[Pool, ConnectFailed] = {}
        while True:
            changed = self._changed
            pools = [pool for pool in self._ready_pools(destination.id) if pool not in refusals]
            if not pools:
                refusal = next(iter(refusals.values()), None)
                await self._wait(destination.id, changed, begun, refusal, delay)
                delay = min(delay * 2, LAST_RETRY)
                refusals.clear()
                continue
            pool = self._least_busy(pools)
            try:
                connection = await pool.connect()
            except ConnectFailed as error:
                refusals[pool] = error
                continue
            if not pool.retired:
                return connection
            pool.exchange_ended(connection)

    def dial(
        self, destination: Destination, opened: Callable[[Connection], None], failed: Callable[[MeshError], None]
    ) -> asyncio.Task[None]:
        """Do what `connect` does in a task of the client's own, and call back. Cancelling the task gives up."""
        task = self._tasks.create_task(self._dial(destination, opened, failed))
        self._dials.add(task)
        task.add_done_callback(self._dials.discard)
        return task

    async def _dial(
        self, destination: Destination, opened: Callable[[Connection], None], failed: Callable[[MeshError], None]
    ) -> None:
        try:
            connection = await self.connect(destination)
        except MeshError as error:
            failed(error)
        else:
            opened(connection)

    def _deadlines_of(self, timeout: float) -> Deadlines:
        deadlines = self._deadlines.get(timeout)
        if deadlines is None:
            if len(self._deadlines) >= MANY_DEADLINES:
                self._deadlines = {seconds: each for seconds, each in self._deadlines.items() if not each.idle}
            deadlines = self._deadlines[timeout] = Deadlines(timeout)
        return deadlines

    def _take_table(self, table: MeshTable) -> None:
        self._table = table
        listed = {endpoint.id: endpoint for service in table.services.values() for endpoint in service.endpoints}
        dropped = [self._pools.pop(endpoint_id) for endpoint_id in list(self._pools) if endpoint_id not in listed]
        for endpoint in listed.values():
            if endpoint.id not in self._pools:
                self._pools[endpoint.id] = self._pool(f"worker {endpoint.id}", parse_endpoint(endpoint.address))
        self._services = {
            service.id.lower(): [self._pools[endpoint.id] for endpoint in service.endpoints]
            for service in table.services.values()
        }
        self._changed.set()
        self._changed = asyncio.Event()
        for pool in dropped:
            pool.retire()
        self._retiring.update(dropped)

    def _ready_pools(self, service_id: str) -> list[Pool]:
        """Return the pools of a service's endpoints. Raises MeshError when waiting for one is of no use."""
        pools = self._services.get(service_id)
        if pools:
            return pools
        service = self._service(service_id)
        if service.failing and not service.starting:
            raise ServiceUnavailable(not_running(service))
        if service.port is None:
            raise ConnectFailed(f"the service {service.id!r} does not speak HTTP")
        return []

    def _service(self, service_id: str) -> MeshService:
        services = self._table.services.values()
        for service in services:
            if service.id.lower() == service_id:
                return service
        raise unknown_service(service_id, [service.id for service in services if not service.internal])

    async def _wait(
        self,
        service_id: str,
        changed: asyncio.Event,
        begun: float,
        refusal: ConnectFailed | None,
        delay: float,
    ) -> None:
        """Wait for another table or, after a refusal, `delay`. Raises ServiceUnavailable."""
        if self._waiting >= self._limits.waiting:
            raise ServiceUnavailable(f"{self._waiting} calls wait for a ready worker already", hint="try again later")
        service = self._service(service_id)
        limit = min(self._limits.wait, self._limits.failing) if service.failing else self._limits.wait
        left = begun + limit - self._clock()
        self._waiting += 1
        try:
            async with asyncio.timeout(left if refusal is None else min(left, delay)):
                await changed.wait()
        except TimeoutError:
            if refusal is not None and self._clock() < begun + limit:
                return
            why = refusal.message if refusal else f"it is {service.state}" + (service.detail and f": {service.detail}")
            raise ServiceUnavailable(
                f"no worker of the service {service.id!r} took the call within {limit:g} s ({why})"
            ) from refusal
        finally:
            self._waiting -= 1

    def _least_busy(self, pools: list[Pool]) -> Pool:
        return pools[least_busy([pool.in_flight for pool in pools], self._turn)]

    def _origin(self, address: TcpAddress) -> Pool:
        pool = self._origins.get(address)
        if pool is None:
            if address.tls and self._tls is None:
                self._tls = ssl.create_default_context()
            pool = self._origins[address] = self._pool(str(address), address, self._admit)
        return pool

    def _pool(self, name: str, address: Address, admit: Admit | None = None) -> Pool:
        return Pool(name, address, limits=self._limits, clock=self._clock, tls=self._tls, admit=admit)

    def _sweep(self) -> None:
        self.close_stale()
        self._sweeper = asyncio.get_running_loop().call_later(SWEEP, self._sweep)

    def close_stale(self) -> None:
        """Close connections that were not used for `Limits.idle`; done every second."""
        for pool in (*self._pools.values(), *self._origins.values()):
            pool.close_stale()
        for address in [address for address, pool in self._origins.items() if pool.unused]:
            del self._origins[address]
        self._retiring = {pool for pool in self._retiring if not pool.unused}
