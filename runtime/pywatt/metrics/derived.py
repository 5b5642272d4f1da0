"""Derives counters and histograms from what workers have stored in one histogram (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from pywatt.metrics.family import Family, Kind
from pywatt.metrics.readings import Readings, Series

_BOUND = "le"


def with_derived(readings: Readings, families: Iterable[Family]) -> Readings:
    """Return the readings with the derived families, and without the labels that exist only for them.

    An observation whose label is empty is none of a family that has this label.
    """
    targets: dict[str, list[Family]] = defaultdict(list)
    for family in families:
        if family.stored:
            targets[family.base].append(family)
        for source in family.derived_from:
            targets[source].append(family)
    found = Readings(help=dict(readings.help))
    for series, (number, time) in readings.numbers.items():
        if series.family not in targets:
            found.add(series, number, time)
            continue
        labels = dict(series.labels)
        for family in targets[series.family]:
            if all(labels.get(name) for name in family.labels):
                _add(found, family, series, labels, number)
    return found


def _add(found: Readings, family: Family, series: Series, labels: Mapping[str, str], number: float) -> None:
    is_bucket = _BOUND in labels
    if family.kind is Kind.COUNTER and not is_bucket:
        return
    names = (*family.labels, _BOUND) if is_bucket and family.kind is Kind.HISTOGRAM else family.labels
    sample = family.name if family.kind is Kind.COUNTER else family.name + ("_bucket" if is_bucket else "_sum")
    kept = tuple(sorted((name, labels[name]) for name in names))
    found.add(series._replace(kind=family.kind, family=family.base, sample=sample, labels=kept), number)
    found.help.setdefault(family.base, family.help)
