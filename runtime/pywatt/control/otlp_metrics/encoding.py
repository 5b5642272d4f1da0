"""Writes families of metrics as OTLP's JSON (pure).

https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from pywatt.metrics.family import Kind
from pywatt.metrics.page import PageFamily, Sample

CUMULATIVE = 2
SCOPE = "pywatt"
UNITS = {"seconds": "s", "bytes": "By"}
"""Units of Prometheus by those of OpenTelemetry."""

Document = dict[str, Any]


def export_request(
    families: Iterable[PageFamily], resource: Mapping[str, str], *, started: float, now: float
) -> Document:
    """Return an ExportMetricsServiceRequest. `started`, `now`: seconds since 1970, of the counters and of this one."""
    times = {"startTimeUnixNano": _nanoseconds(started), "timeUnixNano": _nanoseconds(now)}
    metrics = [metric for family in families if (metric := _metric(family, times)) is not None]
    scope = {"scope": {"name": SCOPE}, "metrics": metrics}
    return {"resourceMetrics": [{"resource": {"attributes": _attributes(resource)}, "scopeMetrics": [scope]}]}


def _metric(family: PageFamily, times: Mapping[str, str]) -> Document | None:
    match family.kind:
        case Kind.COUNTER:
            points = _numbers(family.samples, times)
            data = {"sum": {"dataPoints": points, "aggregationTemporality": CUMULATIVE, "isMonotonic": True}}
        case Kind.HISTOGRAM:
            points = _histograms(family, times)
            data = {"histogram": {"dataPoints": points, "aggregationTemporality": CUMULATIVE}}
        case Kind.SUMMARY:
            points = _summaries(family, times)
            data = {"summary": {"dataPoints": points}}
        case _:
            points = _numbers(family.samples, {"timeUnixNano": times["timeUnixNano"]})
            data = {"gauge": {"dataPoints": points}}
    if not points:
        return None
    unit = UNITS.get(family.unit, family.unit)
    return {"name": family.base, "description": family.help, "unit": unit, **data}


def _numbers(samples: Iterable[Sample], times: Mapping[str, str]) -> list[Document]:
    return [
        {"attributes": _attributes(sample.labels), **times, "asDouble": sample.value}
        for sample in samples
        if math.isfinite(sample.value)
    ]


def _histograms(family: PageFamily, times: Mapping[str, str]) -> list[Document]:
    points = []
    for labels, samples in _series(family.samples, "le"):
        buckets = sorted((float(sample.labels["le"]), sample.value) for sample in samples if "le" in sample.labels)
        if not buckets:
            continue
        bounds = [bound for bound, _ in buckets if math.isfinite(bound)]
        cumulative = [0.0, *(count for _, count in buckets)]
        counts = [int(later - earlier) for earlier, later in pairwise(cumulative)]
        sums = _values(samples, f"{family.name}_sum")
        points.append(
            {
                "attributes": _attributes(labels),
                **times,
                "count": str(sum(counts)),
                **({"sum": sums[0]} if sums and math.isfinite(sums[0]) else {}),
                "bucketCounts": [str(count) for count in counts],
                "explicitBounds": bounds,
            }
        )
    return points


def _summaries(family: PageFamily, times: Mapping[str, str]) -> list[Document]:
    points = []
    for labels, samples in _series(family.samples, "quantile"):
        count, total = _values(samples, f"{family.name}_count"), _values(samples, f"{family.name}_sum")
        quantiles = [
            {"quantile": float(sample.labels["quantile"]), "value": sample.value}
            for sample in samples
            if "quantile" in sample.labels and math.isfinite(sample.value)
        ]
        points.append(
            {
                "attributes": _attributes(labels),
                **times,
                "count": str(int(sum(count))),
                "sum": sum(total),
                "quantileValues": quantiles,
            }
        )
    return points


def _series(samples: Iterable[Sample], but_for: str) -> Iterable[tuple[Mapping[str, str], Sequence[Sample]]]:
    """Return the samples of each set of labels, one of them left out."""
    found: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in samples:
        labels = tuple((name, value) for name, value in sample.labels.items() if name != but_for)
        found.setdefault(labels, []).append(sample)
    return [(dict(labels), each) for labels, each in found.items()]


def _values(samples: Iterable[Sample], name: str) -> list[float]:
    return [sample.value for sample in samples if sample.name == name]


def _attributes(pairs: Mapping[str, str]) -> list[Document]:
    return [{"key": name, "value": {"stringValue": value}} for name, value in pairs.items()]


def _nanoseconds(seconds: float) -> str:
    return str(int(seconds * 1e9))
