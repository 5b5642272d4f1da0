"""Reads exports of metrics as points by the names of Prometheus (pure)."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pywatt.metrics.family import Kind, Merge
from pywatt.metrics.readings import Labels
from pywatt.metrics.received import Point, Sender, histogram_numbers
from pywatt_services.dashboard.otlp.document import (
    PAIRS,
    RESOURCE,
    SCOPE,
    Field,
    attributes_of,
    cut,
    double,
    flag,
    json_document,
    message,
    number,
    read_message,
    signed,
    text,
    zigzag,
)
from pywatt_services.dashboard.otlp.sender import sender_of

DELTA = 1
NO_VALUE = 1
"""The flag of a point that says that there is none."""
MOST_BUCKETS = 200
MOST_LABELS = 32
LONGEST_LABEL = 256
_PARTS_OF_POINTS = frozenset({"le", "quantile"})
_UNITS = {
    "d": "days",
    "h": "hours",
    "min": "minutes",
    "s": "seconds",
    "ms": "milliseconds",
    "us": "microseconds",
    "ns": "nanoseconds",
    "By": "bytes",
    "KiBy": "kibibytes",
    "MiBy": "mebibytes",
    "GiBy": "gibibytes",
    "KBy": "kilobytes",
    "MBy": "megabytes",
    "GBy": "gigabytes",
    "m": "meters",
    "V": "volts",
    "A": "amperes",
    "J": "joules",
    "W": "watts",
    "g": "grams",
    "Cel": "celsius",
    "Hz": "hertz",
    "%": "percent",
}
_OTHER = re.compile(r"[^a-zA-Z0-9:]+")
_ANNOTATION = re.compile(r"\{[^}]*\}")
_TIMES: Mapping[int, Field] = {2: Field("startTimeUnixNano", number), 3: Field("timeUnixNano", number)}
_NUMBERS: Mapping[int, Field] = {
    **_TIMES,
    4: Field("asDouble", double),
    6: Field("asInt", signed),
    7: PAIRS,
    8: Field("flags", number),
}
_HISTOGRAM: Mapping[int, Field] = {
    **_TIMES,
    4: Field("count", number),
    5: Field("sum", double),
    6: Field("bucketCounts", number, repeated=True, packed=True),
    7: Field("explicitBounds", double, repeated=True, packed=True),
    9: PAIRS,
    10: Field("flags", number),
}
_BUCKETS = message(
    {1: Field("offset", zigzag), 2: Field("bucketCounts", number, repeated=True, packed=True, varint=True)}
)
_EXPONENTIAL: Mapping[int, Field] = {
    **_TIMES,
    1: PAIRS,
    4: Field("count", number),
    5: Field("sum", double),
    6: Field("scale", zigzag),
    7: Field("zeroCount", number),
    8: Field("positive", _BUCKETS),
    9: Field("negative", _BUCKETS),
    10: Field("flags", number),
}
_QUANTILE = message({1: Field("quantile", double), 2: Field("value", double)})
_SUMMARY: Mapping[int, Field] = {
    **_TIMES,
    4: Field("count", number),
    5: Field("sum", double),
    6: Field("quantileValues", _QUANTILE, repeated=True),
    7: PAIRS,
    8: Field("flags", number),
}


def _data(point: Mapping[int, Field]) -> Any:
    return message(
        {
            1: Field("dataPoints", message(point), repeated=True),
            2: Field("aggregationTemporality", number),
            3: Field("isMonotonic", flag),
        }
    )


_METRIC: Mapping[int, Field] = {
    1: Field("name", text),
    2: Field("description", text),
    3: Field("unit", text),
    5: Field("gauge", _data(_NUMBERS)),
    7: Field("sum", _data(_NUMBERS)),
    9: Field("histogram", _data(_HISTOGRAM)),
    10: Field("exponentialHistogram", _data(_EXPONENTIAL)),
    11: Field("summary", _data(_SUMMARY)),
}
_SCOPED = message({1: Field("scope", message(SCOPE)), 2: Field("metrics", message(_METRIC), repeated=True)})
_RESOURCE_METRICS = message({1: Field("resource", message(RESOURCE)), 2: Field("scopeMetrics", _SCOPED, repeated=True)})
_EXPORT: Mapping[int, Field] = {1: Field("resourceMetrics", _RESOURCE_METRICS, repeated=True)}


def read_metrics(data: bytes, *, is_json: bool) -> Iterator[tuple[Sender, list[Point]]]:
    """Yield the points of each sender in an export. Raises ValueError."""
    document = json_document(data) if is_json else read_message(_EXPORT, data)
    try:
        for part in document.get("resourceMetrics", ()):
            sender = sender_of(attributes_of(part.get("resource", {}).get("attributes", ())))
            metrics = [each for scope in part.get("scopeMetrics", ()) for each in scope.get("metrics", ())]
            yield sender, [point for metric in metrics for point in _points(metric)]
    except (KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError(f"no export of metrics: {type(error).__name__}: {error}") from error


def _points(metric: Mapping[str, Any]) -> Iterator[Point]:
    for form in ("gauge", "sum", "histogram", "exponentialHistogram", "summary"):
        if form not in metric:
            continue
        data = metric[form]
        kind, merge = _kind(form, monotonic=bool(data.get("isMonotonic")))
        family = prometheus_name(str(metric.get("name", "")), str(metric.get("unit", "")), kind)
        help_text = cut(str(metric.get("description", "")))
        is_delta = form != "gauge" and data.get("aggregationTemporality") in (DELTA, "AGGREGATION_TEMPORALITY_DELTA")
        for point in data.get("dataPoints", ()):
            numbers = None if int(point.get("flags", 0)) & NO_VALUE else _numbers(form, kind, point)
            if family and numbers:
                yield Point(
                    family=family,
                    kind=kind,
                    merge=merge,
                    labels=_labels(point.get("attributes", ())),
                    help=help_text,
                    # A gauge has no beginning: without it, its newest number is the one.
                    start=0 if kind is Kind.GAUGE else int(point.get("startTimeUnixNano", 0)),
                    is_delta=is_delta,
                    numbers=numbers,
                )


def _kind(form: str, *, monotonic: bool) -> tuple[Kind, Merge]:
    """Return the kind in Prometheus, and the rule that joins the workers of a service."""
    if form == "sum":
        return (Kind.COUNTER if monotonic else Kind.GAUGE), Merge.SUM
    if form == "gauge":
        return Kind.GAUGE, Merge.MAX  # by its definition, a sum of gauges makes no sense
    return (Kind.SUMMARY, Merge.SUM) if form == "summary" else (Kind.HISTOGRAM, Merge.SUM)


def _numbers(form: str, kind: Kind, point: Mapping[str, Any]) -> dict[tuple[str, Labels], float] | None:
    """Return the numbers of a point; None for one that cannot be shown."""
    if form in ("gauge", "sum"):
        found = int(point["asInt"]) if "asInt" in point else float(point.get("asDouble", 0.0))
        if kind is Kind.COUNTER and not (math.isfinite(found) and found >= 0):
            return None
        return {("", ()): float(found)}
    total = float(point.get("sum", 0.0))
    if form == "summary":
        quantiles = [
            (str(float(each.get("quantile", 0))), float(each.get("value", 0)))
            for each in point.get("quantileValues", ())[:MOST_BUCKETS]
        ]
        return {
            **{("", (("quantile", quantile),)): found for quantile, found in quantiles},
            ("_sum", ()): total,
            ("_count", ()): float(int(point.get("count", 0))),
        }
    if form == "exponentialHistogram":
        bounds, counts = _explicit(point)
    else:
        bounds = [float(each) for each in point.get("explicitBounds", ())]
        counts = [float(int(each)) for each in point.get("bucketCounts", ())] or [float(int(point.get("count", 0)))]
    rising = all(low < high for low, high in itertools.pairwise(bounds))
    if len(counts) != len(bounds) + 1 or len(counts) > MOST_BUCKETS or not rising or not math.isfinite(total):
        return None
    return histogram_numbers(bounds, counts, total)


def _explicit(point: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    """Return the buckets of an exponential histogram with bounds that are powers of two, or of a power of it.

    Their bounds stay when its scale changes, as those of Prometheus must.
    """
    scale = int(point.get("scale", 0))
    if not -10 <= scale <= 20:
        raise TypeError(f"the scale {scale} is none")
    shift = max(0, scale)
    found: dict[float, float] = {}
    zero = float(int(point.get("zeroCount", 0)))
    for sign, side in ((1, "positive"), (-1, "negative")):
        buckets = point.get(side) or {}
        offset = int(buckets.get("offset", 0))
        for place, each in enumerate(buckets.get("bucketCounts", ())):
            count, index = float(int(each)), (offset + place) >> shift
            power = (index + (sign > 0)) * 2 ** max(0, -scale)
            if count:
                bound = sign * math.ldexp(1.0, min(1023, max(-1074, power)))
                found[bound] = found.get(bound, 0.0) + count
    if zero:
        found[0.0] = found.get(0.0, 0.0) + zero
    bounds = sorted(found)
    return bounds, [*(found[bound] for bound in bounds), 0.0]


def _labels(pairs: Iterable[Mapping[str, Any]]) -> Labels:
    found: dict[str, str] = {}
    for key, value in attributes_of(pairs).items():
        name = _OTHER.sub("_", key.replace(":", "_")) or "_"
        name = f"key_{name}" if name[0].isdigit() else name
        if name in _PARTS_OF_POINTS:
            name = f"exported_{name}"
        shown = str(value).lower() if isinstance(value, bool) else str(value)
        found[name] = shown[:LONGEST_LABEL]
    return tuple(sorted(found.items())[:MOST_LABELS])


def prometheus_name(name: str, unit: str, kind: Kind) -> str:
    """Return the name of a family by the rules for OpenTelemetry and Prometheus, of a counter without `_total`."""
    words = _OTHER.sub("_", name[:LONGEST_LABEL]).strip("_")
    if not words:
        return ""
    words = f"_{words}" if words[0].isdigit() else words
    if kind is Kind.COUNTER:
        words = words.removesuffix("_total")
    suffix = _unit(unit, kind)
    return words if not suffix or words.endswith(f"_{suffix}") else f"{words}_{suffix}"


def _unit(unit: str, kind: Kind) -> str:
    unit = _ANNOTATION.sub("", unit).strip()
    if unit == "1":
        return "ratio" if kind is Kind.GAUGE else ""
    whole, _, per = unit.partition("/")
    named = _UNITS.get(whole, whole)
    if per:
        named = f"{named}_per_{_UNITS.get(per, per).removesuffix('s')}"
    return _OTHER.sub("_", named).strip("_")
