"""Calls services of the app by their id: picks an endpoint of the newest mesh table, and waits for one."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Collection, Iterable

from pywatt.backoff import backoff
from pywatt.errors import ConnectFailed, ServiceUnavailable
from pywatt.http.client.address import Location, parse_endpoint
from pywatt.http.client.call import Response
from pywatt.http.client.client import HttpClient
from pywatt.http.client.connection import ClientConnection
from pywatt.http.client.dial import Admit
from pywatt.http.client.pool import Pool
from pywatt.mesh.address import Destination, ServiceAddress, locate, unknown_service
from pywatt.mesh.balance import least_busy
from pywatt.mesh.limits import MeshLimits
from pywatt.mesh.table import MeshService, MeshTable, not_running

__all__ = ["MeshClient", "Response"]

FIRST_RETRY = 0.02
LAST_RETRY = 1.0
"""Seconds after which endpoints that refused a connection are tried again, doubling from the first to the last."""


class MeshClient(HttpClient):
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
        """`tls`: for https URLs; default: the system's certificates. `admit`: the addresses outside the app that may be
        connected to; default: all."""
        super().__init__(limits=limits, clock=clock, tls=tls, admit=admit)
        self._mesh_limits = limits
        self._table = MeshTable(table.version - 1)
        self._pools: dict[str, Pool] = {}
        """Pools by id of the endpoint."""
        self._services: dict[str, list[Pool]] = {}
        """Pools by service id in lower case, as ServiceAddress has it."""
        self._retiring: set[Pool] = set()
        self._changed = asyncio.Event()
        self._waiting = 0
        self._round_robin = 0
        self._take_table(table)

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

        The wait is bounded by `MeshLimits.drain` per endpoint, counted from when it was dropped; longer calls go on.
        """
        for pool in list(self._retiring):
            try:
                async with asyncio.timeout(pool.retired_at + self._mesh_limits.drain - self._clock()):
                    await pool.drained.wait()
            except TimeoutError:
                continue

    def take(self, destination: Destination) -> ClientConnection | None:
        """Return an idle connection to the least busy worker; None: `connect` or `dial` has to open one.

        The caller must start an exchange on it at once.
        """
        if isinstance(destination, ServiceAddress):
            pools = self._services.get(destination.id)
            if not pools:
                return None
            self._round_robin += 1  # here only: `connect` goes on with the same choice
            return (pools[0] if len(pools) == 1 else self._least_busy(pools)).take()
        pool = self._origins.get(destination)
        return pool.take() if pool is not None else None

    async def connect(self, destination: Destination, avoid: Collection[str] = ()) -> ClientConnection:
        """Open a connection to the least busy worker, waiting for one to be ready. Raises MeshError.

        `avoid`: names of workers (`ClientConnection.server`) that are taken only if there are no others. The caller
        must start an exchange on it at once.
        """
        if not isinstance(destination, ServiceAddress):
            return await self._origin(destination).connect()
        begun = self._clock()
        retries = 0
        failures: dict[Pool, ConnectFailed] = {}
        while True:
            changed = self._changed
            pools = [pool for pool in self._ready_pools(destination.id) if pool not in failures]
            if not pools:
                failure = next(iter(failures.values()), None)
                delay = backoff(retries, first=FIRST_RETRY, longest=LAST_RETRY)
                await self._wait(destination.id, changed, begun, failure, delay)
                retries += 1
                failures.clear()
                continue
            pool = self._least_busy([each for each in pools if each.name not in avoid] or pools)
            try:
                connection = await pool.connect()
            except ConnectFailed as error:
                failures[pool] = error
                continue
            if not pool.retired:
                return connection
            pool.exchange_ended(connection)

    def close_stale(self) -> None:
        """Close connections that were not used for `ClientLimits.idle`; done every second."""
        super().close_stale()
        self._retiring = {pool for pool in self._retiring if not pool.unused}

    def _locate(self, url: str) -> Location[Destination]:
        return locate(url)

    def _all_pools(self) -> Iterable[Pool]:
        return (*self._pools.values(), *self._origins.values(), *self._retiring)

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
        failure: ConnectFailed | None,
        delay: float,
    ) -> None:
        """Wait for another table or, after a failure, `delay`. Raises ServiceUnavailable."""
        if self._waiting >= self._mesh_limits.waiting:
            raise ServiceUnavailable(f"{self._waiting} calls wait for a ready worker already", hint="try again later")
        service = self._service(service_id)
        limit = min(self._mesh_limits.wait, self._mesh_limits.failing) if service.failing else self._mesh_limits.wait
        left = begun + limit - self._clock()
        self._waiting += 1
        try:
            async with asyncio.timeout(left if failure is None else min(left, delay)):
                await changed.wait()
        except TimeoutError:
            if failure is not None and self._clock() < begun + limit:
                return
            why = failure.message if failure else f"it is {service.state}" + (service.detail and f": {service.detail}")
            raise ServiceUnavailable(
                f"no worker of the service {service.id!r} took the call within {limit:g} s ({why})"
            ) from failure
        finally:
            self._waiting -= 1

    def _least_busy(self, pools: list[Pool]) -> Pool:
        return pools[least_busy([pool.in_flight for pool in pools], self._round_robin)]
