"""Reads a running app through the control API: its services and metrics every few seconds, and its errors."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from pywatt.cli.top.figures import Figures, Reading, figures, reading
from pywatt.control.client import ControlClient
from pywatt.errors import ControlError

COLLECT_SECONDS = 30.0
WINDOW_SECONDS = 10.0
"""Rates are over this time, or over one interval where that is longer."""
MOST_ERRORS = 50
AGAIN_SECONDS = 2.0
"""Pause before the log is asked for again after a failure."""


class Sampler:
    """Takes readings of one app."""

    def __init__(self, client: ControlClient, *, internal: bool = False) -> None:
        """`internal`: with the services that pywatt starts by itself. Raises ControlError."""
        self._client = client
        self._internal = internal
        self._readings: deque[Reading] = deque()
        metrics = client.get("config")["metrics"] or {}
        self._label: str = metrics.get("application_label", "service")

    def take(self) -> None:
        """Add a reading. Raises ControlError."""
        answer = self._client.get("metrics", timeout=COLLECT_SECONDS)
        moment = time.monotonic()
        rows = [row for row in self._client.services(usage=True) if self._internal or not row["internal"]]
        self._readings.append(reading(moment, rows, answer, self._label))
        while len(self._readings) > 2 and moment - self._readings[1].time >= WINDOW_SECONDS:
            self._readings.popleft()

    @property
    def counting(self) -> bool:
        """True if the app counts requests."""
        return self._readings[-1].counting

    def figures(self) -> list[Figures]:
        """Return the services as last read."""
        return figures(self._readings[0], self._readings[-1])


def recent_errors(client: ControlClient, lines: int, *, follow: bool = False) -> Any:
    """Yield the last records of the app's log with the level error or above since its start. Raises ControlError."""
    since = datetime.fromtimestamp(client.runtime.started / 1000, UTC).isoformat()
    query = {"level": "error", "lines": str(lines), "since": since, "follow": "true" if follow else "false"}
    return client.lines("logs", **query)


class ErrorLog:
    """Follows the app's log in a thread of its own."""

    def __init__(self, client: ControlClient, changed: Callable[[], None]) -> None:
        """`changed` is called in the thread after each error."""
        self._client = client
        self._changed = changed
        self.records: deque[dict[str, Any]] = deque(maxlen=MOST_ERRORS)
        self.problem = ""
        """Why there are none."""

    def start(self) -> None:
        """Follow the log until the program ends."""
        threading.Thread(target=self._follow, name="errors", daemon=True).start()

    def _follow(self) -> None:
        while True:
            try:
                self.records.clear()
                for record in recent_errors(self._client, MOST_ERRORS, follow=True):
                    self.problem = ""
                    self.records.append(record)
                    self._changed()
            except ControlError as error:
                self.problem = error.message
                self._changed()
            time.sleep(AGAIN_SECONDS)
