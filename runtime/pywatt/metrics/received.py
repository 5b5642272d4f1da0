"""Keeps the metrics that services send by OTLP, bounded in number, and gives them as readings (pure).

A stream is one series of one sender: what a new process of a service counts adds to what its predecessor has counted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from pywatt.metrics.family import Family, Kind, Merge
from pywatt.metrics.readings import Labels, Readings, Series

MOST_NUMBERS = 20_000
"""Of all streams; a histogram has one for each bucket, and one."""
STALE_SECONDS = 300.0
"""A gauge that nobody has sent for as long is gone, as with Prometheus."""
OWN_PREFIX = "pywatt_"
_BOUND = "le"


class Sender(NamedTuple):
    """The process that sends."""

    service: str
    worker: str
    """Number of its slot; empty if it does not tell."""
    pid: int
    """Of the worker; 0 if it does not tell."""
    instance: str
    """All that it tells about itself, which tells it from others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One number, or one histogram, of a series at one time."""

    family: str
    """Name by the rules of Prometheus, of a counter without `_total`."""
    kind: Kind
    merge: Merge
    labels: Labels
    help: str = ""
    start: int = 0
    """Time at which its counting began, in nanoseconds: a number that begins anew is another stream."""
    is_delta: bool = False
    """True: counts since the last point, which add up."""
    numbers: Mapping[tuple[str, Labels], float]
    """The numbers by the suffix of their name and further labels; buckets do not contain those below them."""


class _Stream:
    __slots__ = ("numbers", "point", "sender", "sent")

    def __init__(self, sender: Sender, point: Point) -> None:
        self.sender = sender
        self.point = point
        self.numbers = dict[tuple[str, Labels], float]()
        self.sent = 0.0

    def series(self, part: tuple[str, Labels]) -> Series:
        """Return the identity of one of its numbers on the page."""
        suffix, labels = part
        point = self.point
        name = f"{point.family}_total" if point.kind is Kind.COUNTER else f"{point.family}{suffix}"
        named = tuple(sorted((*point.labels, *labels)))
        return Series(self.sender.service, self.sender.worker, point.kind, point.merge, point.family, name, named)


class ReceivedMetrics:
    """The metrics of all senders."""

    def __init__(
        self,
        families: Mapping[str, Family],
        *,
        most: int = MOST_NUMBERS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`families`: pywatt's own, by the name without `_total`: nobody else may send those."""
        self.refused = 0
        """Number of points that were left out since there are too many streams."""
        self._families = families
        self._most = most
        self._clock = clock
        self._streams: dict[tuple[Sender, str, Kind, Labels, int], _Stream] = {}
        self._ended = Readings()
        """Counts of senders that are gone."""
        self._size = 0

    def add(self, sender: Sender, points: Iterable[Point]) -> int:
        """Take what a sender has sent; return the number of points that were left out for want of space."""
        refused = 0
        for point in points:
            if point.family in self._families or point.family.startswith(OWN_PREFIX):
                continue
            refused += not self._add(sender, point)
        self.refused += refused
        return refused

    def keep(self, running: Mapping[str, Collection[int]]) -> None:
        """Forget senders that are gone; `running`: the pids of the workers of each service. Their counts stay."""
        now = self._clock()
        for key, stream in list(self._streams.items()):
            sender = stream.sender
            gone = sender.pid and sender.service in running and sender.pid not in running[sender.service]
            stale = stream.point.kind is Kind.GAUGE and now - stream.sent > STALE_SECONDS
            if not (gone or stale):
                continue
            del self._streams[key]
            self._size -= len(stream.numbers)
            if stream.point.kind is not Kind.GAUGE:
                before = len(self._ended.numbers)
                self._join(self._ended, stream)
                self._size += len(self._ended.numbers) - before

    def readings(self) -> Readings:
        """Return all numbers."""
        found = Readings()
        found.add_all(self._ended)
        for stream in self._streams.values():
            self._join(found, stream)
        return found

    def _add(self, sender: Sender, point: Point) -> bool:
        key = (sender, point.family, point.kind, point.labels, 0 if point.is_delta else point.start)
        stream = self._streams.get(key) or _Stream(sender, point)
        new = len(point.numbers.keys() - stream.numbers.keys())
        if self._size + new > self._most:
            return False
        self._streams[key] = stream
        self._size += new
        if point.is_delta:
            for part, number in point.numbers.items():
                stream.numbers[part] = stream.numbers.get(part, 0.0) + number
        else:
            self._size -= len(stream.numbers.keys() - point.numbers.keys())
            stream.numbers = dict(point.numbers)
        stream.sent = self._clock()
        return True

    @staticmethod
    def _join(into: Readings, stream: _Stream) -> None:
        for part, number in stream.numbers.items():
            into.add(stream.series(part), number, stream.sent)
        into.help.setdefault(stream.point.family, stream.point.help)


def histogram_numbers(
    bounds: Iterable[float], counts: Iterable[float], total: float
) -> dict[tuple[str, Labels], float]:
    """Return the numbers of a histogram: `counts` has one more than `bounds`, for what is above them all."""
    numbers: dict[tuple[str, Labels], float] = {("_sum", ()): total}
    for bound, count in zip((*bounds, math.inf), counts, strict=True):
        text = "+Inf" if bound == math.inf else str(float(bound))
        numbers["_bucket", ((_BOUND, text),)] = count
    return numbers
