"""Detects start deadlocks: services that wait for each other while they start, so that none ever gets ready.

The wait-for graph is read from the kernel: a starting service that holds a connection to another starting one has
called it, and no worker accepts there yet. So it covers programs in every language.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import anyio

from pywatt import procfs
from pywatt.config.model import LogLevel, ServiceConfig
from pywatt.mesh.table import MeshService, ServiceState
from pywatt.supervisor.policy.worker_state import WorkerState
from pywatt.supervisor.process.worker import Worker

LOOK_SECONDS = 0.5
SHARE = 0.1
"""Largest share of the time for looking: the kernel's table is long on a busy machine."""
PATIENCE = 4.0
"""Seconds for which a cycle must have stood before its services count as failed: the calls may have shorter limits."""
_CONNECTED = "01"

Cycle: TypeAlias = tuple[str, ...]
"""Each calls the next one, the last one the first."""


@dataclass(frozen=True, slots=True)
class Starting:
    """A service that is being started."""

    id: str
    port: int | None
    """The port on which it will accept."""
    pids: tuple[int, ...]
    """Its workers."""
    dependencies: tuple[str, ...]
    """Services that must have started before its workers are."""


class Candidate(Protocol):
    """A service that may be starting."""

    config: ServiceConfig
    slots: dict[int, Any]

    @property
    def serving(self) -> bool:
        """Return whether any worker takes calls."""
        ...

    def workers(self) -> list[Worker]:
        """Return every worker that runs."""
        ...

    def snapshot(self) -> MeshService:
        """Return the service as others see it."""
        ...


def starting(service: Candidate) -> Starting | None:
    """Return the view of a service that starts and does not serve yet; None: it does not start."""
    seen = service.snapshot()
    pids = tuple(worker.pid for worker in service.workers() if worker.state is WorkerState.STARTING)
    waiting = () if service.slots else service.config.dependencies
    if service.serving or seen.state is ServiceState.STOPPED or not (pids or waiting):
        return None
    return Starting(service.config.id, seen.port, pids, waiting)


def find_cycle(waits: Mapping[str, Collection[str]]) -> Cycle | None:
    """Return services that wait for each other, the first one in the order of their names first (pure)."""
    for start in sorted(waits):
        ways: list[Cycle] = [(start,)]
        seen = {start}
        while ways:
            way = ways.pop()
            for following in sorted(waits.get(way[-1], ())):
                if following == start:
                    return way
                if following not in seen:
                    seen.add(following)
                    ways.append((*way, following))
    return None


def describe(cycle: Cycle) -> str:
    """Describe the cycle in a sentence (pure)."""
    if len(cycle) == 1:
        return f'the service "{cycle[0]}" calls itself while it starts'
    steps = [f'"{one}" waits for "{other}"' for one, other in zip(cycle, (*cycle[1:], cycle[0]), strict=True)]
    return f"services wait for each other while they start: {', '.join(steps)}"


HINT = "let one of them make its call later: at its first request, or in a task that its start does not wait for"


def waits_of(services: Collection[Starting]) -> dict[str, set[str]]:
    """Return which starting services each of them waits for."""
    by_port = {service.port: service.id for service in services if service.port is not None}
    ids = {service.id for service in services}
    waits = {service.id: ids.intersection(service.dependencies) for service in services}
    tables: dict[str, list[tuple[str, int]]] = {}
    for service in services:
        for pid in service.pids:
            connections = [(inode, port) for inode, port in _table(pid, tables) if port in by_port]
            own = set(procfs.socket_inodes(procfs.tree(pid))) if connections else set()
            waits[service.id].update(by_port[port] for inode, port in connections if inode in own)
    return waits


def _table(pid: int, known: dict[str, list[tuple[str, int]]]) -> list[tuple[str, int]]:
    """Return inode and remote port of the connections in the network that a process sees."""
    try:
        network = procfs.network_namespace(pid)
        if network not in known:
            rows = procfs.tcp_rows(pid)
            known[network] = [(row[9], int(row[2].partition(":")[2], 16)) for row in rows if row[3] == _CONNECTED]
    except OSError:  # the process has ended
        return []
    return known[network]


class DeadlockDetector:
    """Looks for cycles while services start."""

    def __init__(
        self,
        services: Mapping[str, Candidate],
        *,
        say: Callable[[LogLevel, str], None],
        clock: Callable[[], float] = time.monotonic,
        waits: Callable[[Collection[Starting]], Mapping[str, Collection[str]]] = waits_of,
        fail: Callable[[Cycle], None] | None = None,
    ) -> None:
        """`fail` ends the services that never will have started."""
        self._services = services
        self._say = say
        self._fail = self._end if fail is None else fail
        self._clock = clock
        self._waits = waits
        self.seen: dict[str, str] = {}
        """The cycle that each service has been in since its last start."""
        self._since: dict[Cycle, float] = {}
        self._looks: Counter[Cycle] = Counter()

    async def run(self, changed: Callable[[], anyio.Event]) -> None:
        """Look while any service starts, until cancelled; `changed` returns an event that the next change sets."""
        while True:
            change = changed()
            if self._starting():
                begun = self._clock()
                self.look()
                await anyio.sleep(max(LOOK_SECONDS, (self._clock() - begun) / SHARE))
            else:
                await change.wait()

    def _starting(self) -> list[Starting]:
        return [found for service in self._services.values() if (found := starting(service)) is not None]

    def _end(self, cycle: Cycle) -> None:
        """End the workers that never will have started."""
        for service_id in cycle:
            for worker in self._services[service_id].workers():
                if worker.state is WorkerState.STARTING:
                    worker.kill_reason = describe(cycle)
                    worker.kill()

    def started(self, service_id: str) -> None:
        """Note that a service is ready."""
        self.seen.pop(service_id, None)

    def look(self) -> None:
        """Look once."""
        cycle = find_cycle(self._waits(self._starting()))
        if cycle is None:
            self._since.clear()
            self._looks.clear()
            return
        now = self._clock()
        since = self._since.setdefault(cycle, now)
        self._looks[cycle] += 1
        if self._looks[cycle] == 2:  # one look may have met a call that was just being answered
            self._say(LogLevel.WARN, describe(cycle))
            self.seen.update(dict.fromkeys(cycle, describe(cycle)))
        if now - since >= PATIENCE:
            del self._since[cycle], self._looks[cycle]
            self._fail(cycle)
