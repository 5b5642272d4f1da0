"""A cycle that counts its request before the last part of the response is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pywatt.metrics.status_classes import ABORTED
from pywatt.worker.asgi.http_cycle import HttpCycle
from pywatt.worker.asgi.lifespan import Message, Scope
from pywatt.worker.asgi.request_metrics import RequestMetrics

if TYPE_CHECKING:
    from pywatt.worker.asgi.http_connection import HttpConnection


STATUS_CLASS = 9
"""Position of the first digit of the status in a response: `HTTP/1.1 200`."""
ZERO = ord("0")


def counted_cycle(metrics: RequestMetrics) -> type[HttpCycle]:
    """Return the class of cycles that count into these metrics."""
    clock, durations, histogram = metrics.clock, metrics.durations, metrics.histogram
    # Named here, since `super()` costs a lookup for each request.
    make, send_body = HttpCycle.__init__, HttpCycle._send_body

    class CountedCycle(HttpCycle):
        _status_class = ABORTED
        """That of a head which is written already."""
        _counted = False

        def __init__(self, connection: HttpConnection, scope: Scope, body: bytes, keep_alive: bool) -> None:
            make(self, connection, scope, body, keep_alive)
            self._begun = clock()

        def disconnect(self) -> None:
            if not self._counted:
                self._counted = True
                metrics.count(self.scope["method"], ABORTED, self._begun)
            super().disconnect()

        def flush(self) -> None:
            if self.held:
                self._status_class = self.held[STATUS_CLASS] - ZERO
            super().flush()

        def _send_body(self, message: Message) -> bool:
            if not (self._counted or message.get("more_body")):
                self._counted = True
                held = self.held
                kind = self.scope["method"], held[STATUS_CLASS] - ZERO if held else self._status_class
                (durations.get(kind) or histogram(*kind).observe)(clock() - self._begun)
            return send_body(self, message)

    return CountedCycle
