"""The values of all workers, read from their files and joined (pure but for `read_folder`)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pywatt.metrics.family import Family, Kind, Merge
from pywatt.metrics.recorder import OWN_FILE
from pywatt.metrics.value_file import read_values

KNOWN_KEYS = 65536
"""Keys whose parsed form is remembered."""
_LIVE = "live"
_MERGES = {merge.value for merge in Merge}
_KINDS = {kind.value: kind for kind in Kind}
Labels = tuple[tuple[str, str], ...]


class Series(NamedTuple):
    """The identity of one number."""

    service: str
    worker: str
    """Number of the worker's slot."""
    kind: Kind
    merge: Merge
    family: str
    """Name of the family, of a counter without `_total`."""
    sample: str
    labels: Labels
    pid: str = ""
    """Only where each process has a series of its own."""


@dataclass(slots=True)
class Readings:
    """Numbers by series. Buckets of histograms are not accumulated yet."""

    numbers: dict[Series, tuple[float, float]] = field(default_factory=dict)
    """Number and time of each."""
    help: dict[str, str] = field(default_factory=dict)
    """Help text by family."""

    def add(self, series: Series, number: float, time: float = 0.0) -> None:
        """Join one more number into its series."""
        old = self.numbers.get(series)
        if old is None:
            self.numbers[series] = number, time
        elif series.merge is Merge.MOST_RECENT:
            self.numbers[series] = max(old, (number, time), key=lambda pair: pair[1])
        elif series.merge is Merge.MIN:
            self.numbers[series] = min(old[0], number), time
        elif series.merge is Merge.MAX:
            self.numbers[series] = max(old[0], number), time
        else:
            self.numbers[series] = old[0] + number, time

    def add_all(self, others: Readings) -> None:
        """Join all numbers of other readings."""
        for series, (number, time) in others.numbers.items():
            self.add(series, number, time)
        for family, text in others.help.items():
            self.help.setdefault(family, text)


class FileName(NamedTuple):
    """The meaning of a file's name."""

    kind: Kind
    merge: Merge
    live: bool
    """True for numbers that count only while their process lives."""
    pid: str


def file_name(name: str) -> FileName | None:
    """Return the meaning of a name that `prometheus_client` gives, such as `gauge_livesum_4711.db`; None for others."""
    words = name.removesuffix(".db").split("_")
    kind = _KINDS.get(words[0])
    if kind is None or not name.endswith(".db") or len(words) != (3 if kind is Kind.GAUGE else 2):
        return None
    if kind is not Kind.GAUGE:
        return FileName(kind, Merge.SUM, live=False, pid=words[1])
    mode = words[1]
    # "all" is the default, which users rarely choose: a sum is what a service of several workers means by it.
    known = mode.removeprefix(_LIVE)
    if known not in _MERGES:
        return None
    merge = Merge.SUM if mode == "all" else Merge(known)
    return FileName(kind, merge, live=mode == "all" or mode.startswith(_LIVE), pid=words[2])


def read_folder(
    folder: Path,
    service: str,
    worker: str,
    families: Mapping[str, Family],
    *,
    lives: Callable[[str], bool],
) -> Readings:
    """Return the values in the folder of one worker; `lives` tells whether the process with a pid runs. Raises OSError.

    `families`: pywatt's own, by the name without `_total`.
    """
    readings = Readings()
    for path in sorted(folder.iterdir()):
        own = path.name == OWN_FILE
        name = None if own else file_name(path.name)
        if name is not None and name.live and not lives(name.pid):
            continue
        if name is None and not own:
            continue
        for key, number, time in _values(path):
            parsed = _parsed(key)
            if parsed is None:
                continue
            family, sample, labels, text = parsed
            if name is not None:
                pid = name.pid if name.merge is Merge.EACH else ""
                series = Series(service, worker, name.kind, name.merge, family, sample, labels, pid)
            elif (known := families.get(family)) is not None:
                series = Series(service, worker, known.kind, known.merge, family, sample, labels)
            else:
                continue
            readings.add(series, number, time)
            readings.help.setdefault(family, text)
    return readings


def lasting(readings: Readings) -> Readings:
    """Return what stays of a worker that has ended: all but the gauges that count only while it lives."""
    numbers = {series: number for series, number in readings.numbers.items() if series.kind is not Kind.GAUGE}
    families = {series.family for series in numbers}
    return Readings(numbers, {family: text for family, text in readings.help.items() if family in families})


def _values(path: Path) -> Iterator[tuple[str, float, float]]:
    """Yield the entries of a file, none if it alone was removed. Raises FileNotFoundError if its folder was."""
    try:
        yield from read_values(path)
    except FileNotFoundError:
        if not path.parent.exists():
            raise


@lru_cache(KNOWN_KEYS)
def _parsed(key: str) -> tuple[str, str, Labels, str] | None:
    try:
        family, sample, labels, text = json.loads(key)
        return str(family), str(sample), tuple(sorted(_texts(labels))), str(text)
    except (ValueError, TypeError, AttributeError):
        return None


def _texts(labels: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in labels.items():
        yield name, str(value)
