"""Scrapes the metrics of an app again and again, as Prometheus does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

import httpx
from prometheus_client.parser import text_string_to_metric_families

from harness.app import PATIENCE, RunningApp

Values = Mapping[tuple[str, tuple[tuple[str, str], ...]], float]
_COUNTS = ("_total", "_count", "_sum", "_bucket")


def metrics_url(app: RunningApp) -> str:
    """Return the address of an app's metrics."""
    message: str = app.wait_for_text("metrics are served at")["msg"]
    return message.rpartition(" ")[2]


def scrape(url: str) -> Values:
    """Return the samples of a page by name and labels."""
    text = httpx.get(url, timeout=PATIENCE).raise_for_status().text
    values: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = sample.name, tuple(sorted(sample.labels.items()))
            assert key not in values, f"twice on one page: {key}"
            values[key] = sample.value
    assert len({line for line in text.splitlines() if line.startswith("# TYPE")}) == text.count("# TYPE")
    return values


def scrape_until(url: str, fits: Callable[[Values], bool]) -> Values:
    """Return the first page that fits."""
    end = time.monotonic() + PATIENCE
    while not fits(values := scrape(url)):
        assert time.monotonic() < end, values
    return values


def total(values: Values, name: str, **labels: str) -> float:
    """Return the sum of the samples of a name that have these labels."""
    wanted = set(labels.items())
    return sum(value for (each, pairs), value in values.items() if each == name and wanted <= set(pairs))


@dataclass
class Scraper:
    """One scraper, in a thread of its own. Used as `with Scraper(url) as scraper`."""

    url: str
    pages: int = 0
    misses: int = 0
    """Scrapes without an answer."""
    fallen: list[str] = field(default_factory=list)
    """Counters that were less than before."""
    _end: threading.Event = field(default_factory=threading.Event)
    _last: dict[tuple[str, tuple[tuple[str, str], ...]], float] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join(PATIENCE)

    def _run(self) -> None:
        while not self._end.wait(0.05):
            try:
                found = scrape(self.url)
            except httpx.HTTPError:
                self.misses += 1
                continue
            self.pages += 1
            for key, value in found.items():
                # What the control worker itself measures begins anew with it.
                if key[0].endswith(_COUNTS) and "cpu" not in key[0]:
                    if value < self._last.get(key, 0.0):
                        self.fallen.append(f"{key}: {value} after {self._last[key]}")
                    self._last[key] = value
            gone = [key for key in self._last if key not in found]
            self.fallen += [f"{key} is gone" for key in gone]
