"""Reads the metrics that services serve themselves, such as a program in another language, from each of their workers.

A counter there begins anew with its program. What a worker's page had at its last reading stays in the sums when the
worker is gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from pywatt.errors import MeshError
from pywatt.http.client.address import Address, parse_endpoint
from pywatt.http.client.client import HttpClient
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.mesh.table import MESH_SUFFIX
from pywatt.metrics.family import Family
from pywatt.metrics.readings import Readings, lasting
from pywatt.metrics.text_parser import read_page

ACCEPT = (b"accept", b"text/plain;version=0.0.4")
OK = 200
_READY = "ready"

logger = pywatt_logger("pywatt.metrics")


class ServicePages:
    """Reads the pages of all services that have one."""

    def __init__(self, families: Mapping[str, Family]) -> None:
        """`families`: pywatt's own, by the name without `_total`."""
        self._families = families
        self._last: dict[tuple[str, int], Readings] = {}
        """The last page of each worker, by service and pid."""
        self._ended = Readings()
        self._failing: set[str] = set()
        self.up: dict[str, bool] = {}
        """True for each service whose page could be read the last time."""

    async def read(self, rows: Sequence[Mapping[str, Any]], timeout: float) -> Readings:
        """Return the samples of all pages. A page that cannot be read within `timeout` seconds has its last ones."""
        workers = [
            (row, worker)
            for row in rows
            if row["metricsPage"] is not None
            for worker in row["workers"][: 1 if _is_url(row["metricsPage"]) else None]
            if worker["state"] == _READY
        ]
        running = {(row["id"], worker["pid"]) for row, worker in workers}
        for gone in [key for key in self._last if key not in running]:
            self._ended.add_all(lasting(self._last.pop(gone)))
        self.up = {row["id"]: True for row, _ in workers}
        if workers:
            async with HttpClient() as client:
                await asyncio.gather(*(self._read(client, row, worker, timeout) for row, worker in workers))
        found = Readings()
        for readings in (self._ended, *self._last.values()):
            found.add_all(readings)
        return found

    async def _read(
        self, client: HttpClient, row: Mapping[str, Any], worker: Mapping[str, Any], timeout: float
    ) -> None:
        service, page = row["id"], row["metricsPage"]
        url, address = page, None
        if not _is_url(page):
            url, address = f"http://{service}{MESH_SUFFIX}{page}", _address(worker["endpoint"])
        try:
            response = await client.request("GET", url, address=address, headers=(ACCEPT,), timeout=timeout)
            if response.status != OK:
                raise MeshError(f"it answers with the status {response.status}")
        except (MeshError, ValueError) as error:
            self.up[service] = False
            if service not in self._failing:
                self._failing.add(service)
                logger.warning("the metrics of the service %s cannot be read from %s: %s", service, page, error)
            return
        self._failing.discard(service)
        text = response.body.decode("utf-8", "replace")
        self._last[service, worker["pid"]] = read_page(text, service, str(worker["slot"]), self._families)


def _address(endpoint: str) -> Address:
    return parse_endpoint(endpoint)


def _is_url(page: str) -> bool:
    return not page.startswith("/")
