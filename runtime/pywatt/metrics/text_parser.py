"""Reads pages in the text format of Prometheus, or in OpenMetrics, as readings (pure)."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping

from pywatt.metrics.family import Family, Kind, Merge
from pywatt.metrics.readings import Labels, Readings, Series

_SAMPLE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})?[ \t]+([^ \t]+)")
_LABEL = re.compile(r'([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"')
_COMMENT = re.compile(r"#[ \t]+(HELP|TYPE)[ \t]+([^ \t]+)[ \t]?(.*)")
_ESCAPED = re.compile(r"\\(.)")
_KINDS = {kind.value: kind for kind in Kind} | {"untyped": Kind.UNKNOWN}
_PARTS = {Kind.HISTOGRAM: ("_bucket", "_count", "_sum"), Kind.SUMMARY: ("_count", "_sum")}
_BOUND, _QUANTILE, _WORKER = "le", "quantile", "worker"


def read_page(text: str, service: str, worker: str, families: Mapping[str, Family]) -> Readings:
    """Return the samples of a page; lines that cannot be read are left out.

    `families`: pywatt's own, by the name without `_total`. Of them only gauges are taken: counters come from files.
    """
    readings = Readings()
    kinds: dict[str, Kind] = {}
    buckets: dict[tuple[str, Labels], dict[float, float]] = defaultdict(dict)
    for line in text.splitlines():
        if comment := _COMMENT.match(line):
            what, name, rest = comment.groups()
            if what == "TYPE":
                kinds[name] = _KINDS.get(rest.strip(), Kind.UNKNOWN)
            else:
                readings.help.setdefault(name.removesuffix("_total"), _unescape(rest))
            continue
        found = _SAMPLE.match(line)
        number = _number(found[3]) if found and not line.startswith("#") else None
        if found is None or number is None:
            continue
        sample = found[1]
        family, kind = _family(sample, kinds)
        labels = dict(_LABEL.findall(found[2] or ""))
        named = tuple(sorted((name, _unescape(value)) for name, value in labels.items() if name != _WORKER))
        known = families.get(family)
        if known is not None and known.kind is not Kind.GAUGE:
            continue
        if kind is Kind.HISTOGRAM and sample.endswith("_count"):
            continue  # the sum of the buckets
        if kind is Kind.HISTOGRAM and _BOUND in labels:
            bound = _number(labels[_BOUND])
            if bound is not None:
                buckets[family, tuple(pair for pair in named if pair[0] != _BOUND)][bound] = number
            continue
        merge = known.merge if known is not None else Merge.MAX if _QUANTILE in labels else Merge.SUM
        readings.add(Series(service, worker, kind, merge, family, sample, named), number)
    for (family, named), counts in buckets.items():
        for series, number in _apart(service, worker, family, named, counts):
            readings.add(series, number)
    return readings


def _apart(
    service: str, worker: str, family: str, named: Labels, counts: Mapping[float, float]
) -> Iterable[tuple[Series, float]]:
    """Yield the buckets of a histogram, each without those below it."""
    below = 0.0
    for bound in sorted(counts):
        text = "+Inf" if bound == math.inf else str(bound)
        labels = (*named, (_BOUND, text))
        yield (
            Series(service, worker, Kind.HISTOGRAM, Merge.SUM, family, f"{family}_bucket", labels),
            counts[bound] - below,
        )
        below = counts[bound]


def _family(sample: str, kinds: Mapping[str, Kind]) -> tuple[str, Kind]:
    """Return the name of a sample's family, without `_total`, and its type."""
    kind = kinds.get(sample)
    if kind is Kind.COUNTER or (kind is None and kinds.get(sample.removesuffix("_total")) is Kind.COUNTER):
        return sample.removesuffix("_total"), Kind.COUNTER
    if kind is not None:
        return sample, kind
    for suffix in ("_bucket", "_count", "_sum"):
        base = sample.removesuffix(suffix)
        if base != sample and suffix in _PARTS.get(kinds.get(base, Kind.UNKNOWN), ()):
            return base, kinds[base]
    return sample, Kind.UNKNOWN


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\n" if found[1] == "n" else found[1], text)
