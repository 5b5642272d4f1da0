"""A mesh client that counts the calls of this worker to other services, and measures their duration."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from pywatt.errors import MeshError
from pywatt.http.client.address import Address
from pywatt.http.client.call import Collector, Outcome, Response
from pywatt.http.headers import Header
from pywatt.mesh.address import ServiceAddress, locate
from pywatt.mesh.client import MeshClient
from pywatt.mesh.table import MeshTable
from pywatt.metrics import families
from pywatt.metrics.recorder import Histogram, Recorder
from pywatt.metrics.status_classes import class_label

ERROR = "error"
"""In place of the class of a status: there was no response."""


MAX_CALLEES = 1000
"""Names of services that are counted, as code may make up any number of them."""

_lock = threading.Lock()
"""For the calls of user code, which may come from any thread."""


class _Callee:
    """The counters of calls to one service."""

    def __init__(self, recorder: Recorder, callee: str) -> None:
        self._recorder = recorder
        self._callee = callee
        self._durations: dict[int, Histogram] = {}
        """By the class of the status."""

    def count(self, status: int | None, seconds: float) -> None:
        """Count one call. `status`: None without a response."""
        status_class = -1 if status is None else status // 100
        with _lock:
            durations = self._durations.get(status_class)
            if durations is None:
                label = ERROR if status_class < 0 else class_label(status_class)
                durations = self._recorder.histogram(families.MESH_SECONDS, self._callee, label)
                self._durations[status_class] = durations
            durations.observe(seconds)


class CountedMeshClient(MeshClient):
    """Counts calls by `request` and `begin`; a gateway, which streams, counts its own."""

    def __init__(self, table: MeshTable, recorder: Recorder, clock: Callable[[], float] = time.perf_counter) -> None:
        super().__init__(table)
        self._recorder = recorder
        self._measure = clock
        self._callees: dict[str, _Callee] = {}

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
        """Make one call: see `HttpClient.request`."""
        callee = self._callee(url)
        begun = self._measure()
        try:
            response = await super().request(
                method, url, address=address, headers=headers, lines=lines, body=body, timeout=timeout
            )
        except MeshError:
            if callee is not None:
                callee.count(None, self._measure() - begun)
            raise
        if callee is not None:
            callee.count(response.status, self._measure() - begun)
        return response

    def begin(
        self, method: str, url: str, done: Callable[[Outcome], None], *, lines: bytes, body: bytes, timeout: float
    ) -> Collector | None:
        """Make one call without a task: see `HttpClient.begin`."""
        callee = self._callee(url)
        if callee is None:
            return super().begin(method, url, done, lines=lines, body=body, timeout=timeout)
        measure = self._measure
        begun = measure()

        def counted(outcome: Outcome) -> None:
            if outcome is not None:
                callee.count(None if isinstance(outcome, MeshError) else outcome.status, measure() - begun)
            done(outcome)

        return super().begin(method, url, counted, lines=lines, body=body, timeout=timeout)

    def begin_count(self, host: str) -> Callable[[int | None], None]:
        """Begin to count a call that user code makes itself; the result is called with its status."""
        callee = self._callee(f"http://{host}/")
        begun = self._measure()

        def count(status: int | None) -> None:
            if callee is not None:
                callee.count(status, self._measure() - begun)

        return count

    def _callee(self, url: str) -> _Callee | None:
        """Return the counters of the service that a URL names; None for a host outside the app."""
        destination = locate(url).destination
        if not isinstance(destination, ServiceAddress):
            return None
        callee = self._callees.get(destination.id)
        if callee is None:
            if len(self._callees) >= MAX_CALLEES:
                return None
            callee = self._callees[destination.id] = _Callee(self._recorder, destination.id)
        return callee
