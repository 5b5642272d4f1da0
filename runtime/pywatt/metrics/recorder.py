"""Counts in one worker: a counter, gauge or histogram is resolved once, and each event then is a write into memory."""

from __future__ import annotations

import json
import logging
import threading
from bisect import bisect_left
from collections.abc import Callable, Sequence
from pathlib import Path

from pywatt.metrics.family import Family, Kind
from pywatt.metrics.value_file import Slots, ValueFile, memory_slots

OWN_FILE = "pywatt.db"
"""Name of the file with pywatt's own values in a worker's folder; `prometheus_client` names its files otherwise."""

Observe = Callable[[float], None]

logger = logging.getLogger("pywatt.metrics")


class Value:
    """One number, of a counter or a gauge."""

    __slots__ = ("_at", "_values")

    def __init__(self, slots: Slots) -> None:
        self._values, (self._at,) = slots

    def add(self, amount: float = 1.0) -> None:
        """Add an amount."""
        self._values[self._at] += amount

    def set(self, number: float) -> None:
        """Replace the number."""
        self._values[self._at] = number

    @property
    def number(self) -> float:
        """The present number."""
        number: float = self._values[self._at]
        return number


class Histogram:
    """Counts observations in buckets, and their sum."""

    __slots__ = ("_slots", "bounds", "observe")

    def __init__(self, bounds: Sequence[float], slots: Slots) -> None:
        """`slots`: the sum, then one for each bound, then +Inf."""
        self.bounds = bounds
        self.observe: Observe = _observer(bounds, slots)
        """Counts one observation."""
        self._slots = slots

    @property
    def counts(self) -> Sequence[int]:
        """The numbers of observations per bucket, the last one without a bound."""
        values, (_, *buckets) = self._slots
        return [int(values[bucket]) for bucket in buckets]

    @property
    def total(self) -> float:
        """The sum of all observations."""
        values, (sum_at, *_) = self._slots
        total: float = values[sum_at]
        return total


def _observer(bounds: Sequence[float], slots: Slots) -> Observe:
    # A closure: its variables cost less than attributes, and a method has to be bound. It is called for each request.
    values, (sum_at, *buckets) = slots
    total, search = values[sum_at], bisect_left

    def observe(number: float) -> None:
        nonlocal total
        values[buckets[search(bounds, number)]] += 1.0
        total += number
        values[sum_at] = total

    return observe


class Recorder:
    """Hands out the values of one worker."""

    def __init__(self, folder: Path) -> None:
        """`folder`: the worker's own. Without disk space the values are counted, and not shown."""
        self._file: ValueFile | None
        try:
            self._file = ValueFile(folder / OWN_FILE)
        except OSError as error:
            self._give_up(error)
        self._lock = threading.Lock()
        """For new values, which threads of user code may ask for."""
        self._refreshers: list[Callable[[], None]] = []
        self._values: dict[tuple[str, tuple[str, ...]], Value] = {}
        self._histograms: dict[tuple[str, tuple[str, ...]], Histogram] = {}

    def before_reading(self, refresh: Callable[[], None]) -> None:
        """Have gauges set every few seconds, where setting them at each event would cost too much."""
        self._refreshers.append(refresh)

    def refresh(self) -> None:
        """Set these gauges."""
        for refresh in self._refreshers:
            refresh()

    def value(self, family: Family, *labels: str) -> Value:
        """Return the counter or gauge with these values of the family's labels."""
        assert family.kind is not Kind.HISTOGRAM
        value = self._values.get((family.name, labels))
        if value is None:
            with self._lock:
                value = self._values.get((family.name, labels))
                if value is None:
                    slots = self._slots([_key(family, family.name, dict(zip(family.labels, labels, strict=True)))])
                    value = self._values[family.name, labels] = Value(slots)
        return value

    def histogram(self, family: Family, *labels: str) -> Histogram:
        """Return the histogram with these values of the family's labels, those that are only stored last."""
        histogram = self._histograms.get((family.name, labels))
        if histogram is None:
            named = dict(zip((*family.labels, *family.stored), labels, strict=True))
            bounds = [*map(bound_text, family.buckets), "+Inf"]
            keys = [_key(family, f"{family.name}_bucket", {**named, "le": bound}) for bound in bounds]
            with self._lock:
                histogram = self._histograms.get((family.name, labels))
                if histogram is None:
                    slots = self._slots([_key(family, f"{family.name}_sum", named), *keys])
                    histogram = self._histograms[family.name, labels] = Histogram(family.buckets, slots)
        return histogram

    def _slots(self, keys: Sequence[str]) -> Slots:
        if self._file is not None:
            try:
                return self._file.slots(keys)
            except OSError as error:
                self._give_up(error)
        return memory_slots(keys)

    def _give_up(self, error: OSError) -> None:
        self._file = None
        logger.error("metrics of this worker are missing from now on: there is no space for them (%s)", error)


def bound_text(bound: float) -> str:
    """Return the bound of a bucket as the label `le` has it, in prometheus_client's form."""
    return str(float(bound))


def _key(family: Family, sample: str, labels: dict[str, str]) -> str:
    return json.dumps([family.base, sample, labels, family.help], sort_keys=True)
