"""The page of metrics: readings and further samples as families with labels, each family once (pure)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pywatt.metrics.family import Family, Kind, Merge
from pywatt.metrics.readings import Labels, Readings, Series
from pywatt.metrics.recorder import bound_text

_EXPORTED = "exported_"
"""Prefix of a user's label that has the name of one of pywatt's. Prometheus does the same."""
_BOUND = "le"


@dataclass(frozen=True, slots=True)
class Sample:
    """One line of the page."""

    name: str
    labels: Mapping[str, str]
    value: float
    service: str = ""
    """Id of the service that it is of, whatever the name of the label; empty: of the app."""


@dataclass(slots=True)
class PageFamily:
    """All samples of one family."""

    name: str
    """With `_total` for counters."""
    kind: Kind
    help: str
    unit: str = ""
    samples: list[Sample] = field(default_factory=list)

    @property
    def base(self) -> str:
        """The name without the suffix `_total` of counters."""
        return self.name.removesuffix("_total") if self.kind is Kind.COUNTER else self.name

    def to_json(self) -> dict[str, Any]:
        """Return the family for the control API; numbers that JSON lacks are texts."""
        return {
            "name": self.name,
            "type": self.kind.value,
            "unit": self.unit,
            "help": self.help,
            "values": [
                {
                    "metricName": sample.name,
                    "labels": dict(sample.labels),
                    "value": sample.value if math.isfinite(sample.value) else number_text(sample.value),
                }
                for sample in self.samples
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOptions:
    """The labels of a page."""

    application_label: str = "service"
    """Name of the label with the id of the service."""
    per_worker: bool = False
    """True: one series for each worker, with the label `worker`; False: their sum."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Labels of every sample."""


class Page:
    """Collects families."""

    def __init__(self, families: Mapping[str, Family], options: PageOptions = PageOptions()) -> None:
        """`families`: pywatt's own, by the name without `_total`."""
        self._own = families
        self._options = options
        self._families: dict[str, PageFamily] = {}
        self.conflicts: dict[str, str] = {}
        """Reasons why samples are missing, by `service: family`."""

    def families(self) -> list[PageFamily]:
        """Return all families by name."""
        return sorted(self._families.values(), key=lambda family: family.name)

    def add_readings(self, readings: Readings) -> None:
        """Add the values of workers."""
        joined = Readings(help=readings.help)
        for series, (number, time) in readings.numbers.items():
            joined.add(series if self._options.per_worker else series._replace(worker=""), number, time)
        buckets: dict[Series, dict[float, float]] = defaultdict(dict)
        sums: dict[Series, float] = {}
        for series, (number, _) in sorted(joined.numbers.items()):
            bound = dict(series.labels).get(_BOUND)
            if series.kind is Kind.HISTOGRAM and bound is not None:
                labels = tuple(pair for pair in series.labels if pair[0] != _BOUND)
                buckets[series._replace(labels=labels)][float(bound)] = number
            elif series.kind is Kind.HISTOGRAM:
                sums[series._replace(sample=f"{series.family}_bucket")] = number
            else:
                self._add(series, series.sample, series.labels, number, readings.help)
        for series, counts in buckets.items():
            total = 0.0
            for limit in sorted(counts):
                total += counts[limit]
                bound = "+Inf" if limit == math.inf else bound_text(limit)
                self._add(series, series.sample, (*series.labels, (_BOUND, bound)), total, readings.help)
            self._add(series, f"{series.family}_count", series.labels, total, readings.help)
            self._add(series, f"{series.family}_sum", series.labels, sums.get(series, 0.0), readings.help)

    def add(self, family: Family, samples: Iterable[tuple[Mapping[str, str], float]]) -> None:
        """Add samples of one of pywatt's families that is no histogram."""
        named = self._options.application_label
        for labels, value in samples:
            shown = {
                (named if name == family.service_label == "service" else name): text for name, text in labels.items()
            }
            self._entry(family.base, family.kind, family.help, family.unit).samples.append(
                Sample(family.name, {**self._options.labels, **shown}, value, labels.get("service", ""))
            )

    def _add(self, series: Series, sample: str, labels: Labels, value: float, texts: Mapping[str, str]) -> None:
        own = self._own.get(series.family)
        label = own.service_label if own is not None else "service"
        ours = dict(self._options.labels)
        if label is not None:
            ours[self._options.application_label if label == "service" else label] = series.service
        if series.worker:
            ours["worker"] = series.worker
        if series.pid and series.merge is Merge.EACH:
            ours["pid"] = series.pid
        theirs = {(_EXPORTED + name if name in ours else name): text for name, text in labels}
        entry = self._entry(series.family, series.kind, texts.get(series.family, ""), own.unit if own else "")
        if entry.kind is not series.kind:
            reason = f"it is a {series.kind} there, and a {entry.kind} in another service"
            self.conflicts[f"{series.service}: {series.family}"] = reason
            return
        entry.samples.append(Sample(sample, {**ours, **theirs}, value, series.service))

    def _entry(self, base: str, kind: Kind, text: str, unit: str) -> PageFamily:
        entry = self._families.get(base)
        if entry is None:
            name = f"{base}_total" if kind is Kind.COUNTER else base
            entry = self._families[base] = PageFamily(name, kind, text, unit)
        return entry


def number_text(number: float) -> str:
    """Return a number as both formats of Prometheus write it."""
    if number == math.inf:
        return "+Inf"
    if number == -math.inf:
        return "-Inf"
    if math.isnan(number):
        return "NaN"
    return str(int(number)) if float(number).is_integer() and abs(number) < 1e15 else repr(number)


def family_of(document: Mapping[str, Any]) -> PageFamily:
    """Read the result of `PageFamily.to_json`."""
    samples = [Sample(each["metricName"], each["labels"], float(each["value"])) for each in document["values"]]
    return PageFamily(document["name"], Kind(document["type"]), document["help"], document["unit"], samples)
