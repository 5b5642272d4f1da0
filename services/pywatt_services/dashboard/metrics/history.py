"""Keeps the values of all metrics for some time, as charts show them: counters as rates, histograms with their p95."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pywatt_services.dashboard.graph.model import p95_of_buckets

MOST_SERIES = 2000
MOST_POINTS = 600
_CUMULATIVE = frozenset({"counter", "histogram", "summary"})
_BOUND, _QUANTILE = "le", "quantile"
Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Series:
    labels: Mapping[str, str]
    is_rate: bool
    values: array[float]
    """One for each time, NaN where there is none."""
    last: float | None = None
    """The newest number itself, of a rate."""
    buckets: Mapping[float, float] | None = None


@dataclass(slots=True)
class _Family:
    about: Mapping[str, Any]
    series: dict[tuple[str, Labels], _Series] = field(default_factory=dict)


class MetricsHistory:
    """The newest values of each series."""

    def __init__(self, most_series: int = MOST_SERIES, most_points: int = MOST_POINTS) -> None:
        self.times = array("d")
        """Seconds since 1970."""
        self.left_out = 0
        """Series of the newest look beyond the limit."""
        self._families: dict[str, _Family] = {}
        self._most_series = most_series
        self._most_points = most_points
        self._count = 0

    def add(self, families: Iterable[Mapping[str, Any]], at: float) -> None:
        """Take one look at all metrics."""
        passed = at - self.times[-1] if self.times else 0.0
        self.times.append(at)
        self.left_out = 0
        for found in families:
            family = self._families.setdefault(found["name"], _Family({}))
            family.about = {key: found[key] for key in ("name", "type", "unit", "help")}
            buckets: dict[Labels, dict[float, float]] = {}
            for each in found["values"]:
                labels: Mapping[str, str] = each["labels"]
                value = float(each["value"])
                if _BOUND in labels:
                    named = tuple((name, text) for name, text in labels.items() if name != _BOUND)
                    buckets.setdefault(named, {})[float(labels[_BOUND])] = value
                    continue
                is_rate = found["type"] in _CUMULATIVE and _QUANTILE not in labels
                series = self._series(family, each["metricName"], labels, is_rate=is_rate)
                if series is not None:
                    series.values.append(_rate(series.last, value, passed) if is_rate else value)
                    series.last = value
            for named, counts in buckets.items():
                series = self._series(family, f"{found['name']} p95", dict(named), is_rate=False)
                if series is not None:
                    before, series.buckets = series.buckets or {}, counts
                    grown = {bound: max(0.0, count - before.get(bound, 0.0)) for bound, count in counts.items()}
                    known = p95_of_buckets(grown) if before else None
                    series.values.append(math.nan if known is None else known)
        self._even()

    def document(self, after: float = 0.0) -> dict[str, Any]:
        """Return the times after one, and the values at them, as JSON values."""
        begin = next((place for place, time in enumerate(self.times) if time > after), len(self.times))
        return {
            "times": list(self.times[begin:]),
            "leftOut": self.left_out,
            "families": [
                {
                    **family.about,
                    "series": [
                        {
                            "name": name,
                            "labels": dict(one.labels),
                            "rate": one.is_rate,
                            "values": _plain(one.values[begin:]),
                        }
                        for (name, _), one in family.series.items()
                    ],
                }
                for _, family in sorted(self._families.items())
            ],
        }

    def _series(self, family: _Family, name: str, labels: Mapping[str, str], *, is_rate: bool) -> _Series | None:
        key = (name, tuple(labels.items()))
        series = family.series.get(key)
        if series is None:
            if self._count >= self._most_series:
                self.left_out += 1
                return None
            self._count += 1
            series = family.series[key] = _Series(dict(labels), is_rate, _nothing(len(self.times) - 1))
        elif len(series.values) >= len(self.times):  # the same labels twice
            series.values.pop()
        return series

    def _even(self) -> None:
        """Give every series a value for each time, and drop what is too old."""
        surplus = len(self.times) - self._most_points
        if surplus > 0:
            del self.times[:surplus]
        for name, family in list(self._families.items()):
            for key, series in list(family.series.items()):
                if len(series.values) < len(self.times) + max(0, surplus):
                    series.values.append(math.nan)
                    series.last = series.buckets = None
                if surplus > 0:
                    del series.values[:surplus]
                if all(map(math.isnan, reversed(series.values))) and len(series.values) == self._most_points:
                    del family.series[key]
                    self._count -= 1
            if not family.series:
                del self._families[name]


def _rate(last: float | None, value: float, passed: float) -> float:
    """Return the growth per second; a counter that begins anew has grown by all that it has."""
    if last is None or passed <= 0:
        return math.nan
    return (value - last if value >= last else value) / passed


def _nothing(count: int) -> array[float]:
    return array("d", [math.nan]) * count


def _plain(values: Iterable[float]) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in values]
