"""Collects the metrics of the app: what its workers have counted, and what the supervisor and /proc tell of them."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pywatt import procfs
from pywatt.channel.messages import Answer
from pywatt.config.metrics_model import MetricsConfig
from pywatt.control.error_json import from_json
from pywatt.control.service_pages import ServicePages
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.mesh.table import ServiceState
from pywatt.metrics import families
from pywatt.metrics.derived import with_derived
from pywatt.metrics.page import Page, PageFamily, PageOptions
from pywatt.metrics.readings import Readings
from pywatt.metrics.received import ReceivedMetrics
from pywatt.metrics.worker_totals import WorkerTotals

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
MILLISECONDS = 1000

logger = pywatt_logger("pywatt.metrics")


class AppMetrics:
    """Collects on demand; scrapes that overlap share one collection."""

    def __init__(
        self, ask: Ask, runtime_folder: Path, config: MetricsConfig | None, received: ReceivedMetrics | None = None
    ) -> None:
        """`ask` sends a command to the supervisor. `config`: None when the app's workers count nothing.

        `received`: what services send by OTLP.
        """
        self.counting = config is not None
        self.config = config or MetricsConfig(server=None)
        self._ask = ask
        self._received = received or ReceivedMetrics(families.BY_BASE)
        self._totals = WorkerTotals(runtime_folder, families.BY_BASE)
        self._pages = ServicePages(families.BY_BASE)
        self._cpu = ProcessorTime()
        self._collecting: asyncio.Task[list[PageFamily]] | None = None
        self._told: set[str] = set()

    async def collect(self, service: str | None = None) -> list[PageFamily]:
        """Return all families by name, or those with samples of one service, with these alone.

        Raises PywattError when the supervisor cannot be asked, TimeoutError.
        """
        if self._collecting is None or self._collecting.done():
            self._collecting = asyncio.ensure_future(self._collect())
        async with asyncio.timeout(self.config.timeout):
            found = await asyncio.shield(self._collecting)
        return found if service is None else of_service(found, service)

    async def _collect(self) -> list[PageFamily]:
        metadata, listed = await self._asked("metadata"), await self._asked("services", usage=False)
        rows: list[dict[str, Any]] = listed["services"]
        pages = await self._pages.read(rows, self.config.timeout / 2)
        self._received.keep({row["id"]: _pids(row) for row in rows})
        pages.add_all(self._received.readings())
        page, conflicts = await asyncio.to_thread(self._page, metadata, rows, pages)
        for where, why in conflicts.items():
            if where not in self._told:
                self._told.add(where)
                logger.warning("a metric of a service is left out: %s (%s)", where, why)
        return page

    async def _asked(self, command: str, **arguments: Any) -> dict[str, Any]:
        answer = await self._ask(command, arguments)
        if answer.error is not None:
            raise from_json(answer.error)
        result: dict[str, Any] = answer.result
        return result

    def _page(
        self, metadata: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], pages: Readings
    ) -> tuple[list[PageFamily], Mapping[str, str]]:
        config = self.config
        options = PageOptions(
            application_label=config.application_label, per_worker=config.per_worker, labels=config.labels
        )
        page = Page(families.BY_BASE, options)
        readings = self._totals.read() if self.counting else Readings()
        readings.add_all(pages)
        page.add_readings(with_derived(readings, families.FAMILIES))
        if self._received.refused:
            page.add(families.OTLP_REFUSED, [({}, self._received.refused)])
        page.add(families.SCRAPE_UP, [({"service": service}, up) for service, up in self._pages.up.items()])
        supervisor: int = metadata["pid"]
        page.add(families.APP_INFO, [({"app": metadata["name"], "version": metadata["version"]}, 1)])
        page.add(families.APP_START, [({}, metadata["started"] / MILLISECONDS)])
        page.add(families.SUPERVISOR_MEMORY, [({}, procfs.memory([supervisor]).pss)])
        page.add(families.SUPERVISOR_CPU, [({}, procfs.cpu_seconds([supervisor]))])
        users = [row for row in rows if not row["internal"]]
        named = [({"service": row["id"]}, row) for row in users]
        page.add(
            families.SERVICE_STATE,
            [
                ({**labels, "state": state.value}, float(row["state"] == state.value))
                for labels, row in named
                for state in ServiceState
            ],
        )
        page.add(families.SERVICE_WORKERS, [(labels, len(row["workers"])) for labels, row in named])
        page.add(families.SERVICE_READY, [(labels, row["ready"]) for labels, row in named])
        page.add(families.SERVICE_RESTARTS, [(labels, row["restarts"]) for labels, row in named])
        trees = {row["id"]: [procfs.tree(pid) for pid in _pids(row)] for row in users}
        page.add(
            families.SERVICE_MEMORY,
            [(labels, sum(procfs.memory(tree).pss for tree in trees[row["id"]])) for labels, row in named],
        )
        page.add(
            families.SERVICE_CPU, [(labels, self._cpu.seconds(row["id"], trees[row["id"]])) for labels, row in named]
        )
        return page.families(), page.conflicts


class ProcessorTime:
    """Adds the processor time of ended workers to that of running ones, so that the sum of a service never falls."""

    def __init__(self, measure: Callable[[Sequence[int]], float] = procfs.cpu_seconds) -> None:
        self._measure = measure
        self._seen: dict[str, dict[int, float]] = defaultdict(dict)
        """Seconds of each worker that ran at the last measurement, by service and pid."""
        self._ended: dict[str, float] = defaultdict(float)

    def seconds(self, service: str, trees: Sequence[Sequence[int]]) -> float:
        """Return the time of a service, whose running workers have these processes."""
        before, now = self._seen[service], {}
        for pids in trees:
            # A worker's child that has ended counts for its parent only when that has collected it.
            now[pids[0]] = max(self._measure(pids), before.get(pids[0], 0.0))
        self._ended[service] += sum(seconds for pid, seconds in before.items() if pid not in now)
        self._seen[service] = now
        return self._ended[service] + sum(now.values())


def of_service(found: Sequence[PageFamily], service: str) -> list[PageFamily]:
    """Return the families with samples of a service, with these alone (pure)."""
    result = []
    for family in found:
        samples = [sample for sample in family.samples if sample.service == service]
        if samples:
            result.append(PageFamily(family.name, family.kind, family.help, family.unit, samples))
    return result


def _pids(row: Mapping[str, Any]) -> list[int]:
    return [worker["pid"] for worker in row["workers"] if worker["pid"] is not None]
