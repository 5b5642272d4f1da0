"""Figures of each service from two readings of the control API: rates, latency, lag, memory, CPU (pure)."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pywatt.metrics import families, kafka_families
from pywatt.metrics.family import Family

QUANTILE = 0.95
_CALLEE = "callee"
_BOUND = "le"


@dataclass(frozen=True, slots=True)
class Source:
    """The metrics that tell of requests to a service, or of its deliveries."""

    counter: str
    """Name of the samples that count by status."""
    status: str
    """Label of the status."""
    buckets: str
    """Name of the samples of the durations."""
    of_callee: bool = False
    """True if the service is in the label `callee`; otherwise in that of the app's services."""


def _source(counter: str, status: str, seconds: Family, *, of_callee: bool = False) -> Source:
    return Source(counter, status, f"{seconds.base}_bucket", of_callee)


SOURCES = (
    _source(families.HTTP_REQUESTS.name, "status", families.HTTP_SECONDS),
    _source(families.GATEWAY_REQUESTS.name, "status", families.GATEWAY_SECONDS),
    _source(f"{kafka_families.HOOKS_SECONDS.base}_count", "status_code", kafka_families.HOOKS_SECONDS),
    _source(families.MESH_REQUESTS.name, "status", families.MESH_SECONDS, of_callee=True),
)
"""In the order of preference: what a service itself counts comes before what its callers count."""
LAGS = (kafka_families.LAG_RECORDS.name, kafka_families.HOOKS_LAG.name)


@dataclass(slots=True)
class Counts:
    """The requests to one service since the app started."""

    requests: float = 0.0
    failed: float = 0.0
    buckets: dict[float, float] = field(default_factory=lambda: defaultdict(float))
    """Requests that took at most so many seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The answers of the control API at one moment."""

    time: float
    """Seconds of a clock that never goes back."""
    rows: Sequence[Mapping[str, Any]]
    """The services."""
    counts: Mapping[str, Counts]
    lag: Mapping[str, float]
    """Records, by service."""
    counting: bool
    """False: the app counts no requests."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """One service; None: not known."""

    id: str
    entrypoint: bool
    state: str
    ready: int
    workers: int
    requests: float | None
    """Per second."""
    errors: float | None
    """Share of the requests that failed."""
    latency: float | None
    """Seconds within which 95 % of the requests were answered."""
    lag: float | None
    """Records."""
    memory: int | None
    """Bytes (PSS)."""
    cpu: float | None
    """Share of one core."""
    restarts: int
    detail: str

    def to_json(self) -> dict[str, Any]:
        """Return the figures for programs."""
        return asdict(self)


def reading(
    time: float, rows: Sequence[Mapping[str, Any]], answer: Mapping[str, Any], service_label: str = "service"
) -> Reading:
    """Return the reading of these services and of the answer to `GET /api/v1/metrics`."""
    samples: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    wanted = {name for source in SOURCES for name in (source.counter, source.buckets)} | set(LAGS)
    for family in answer["metrics"]:
        for each in family["values"]:
            if each["metricName"] in wanted:
                samples[each["metricName"]].append((each["labels"], float(each["value"])))
    counts: dict[str, Counts] = {}
    for source in SOURCES:
        for service, found in _counts(source, samples, service_label).items():
            counts.setdefault(service, found)
    lag: dict[str, float] = {}
    for name in LAGS:
        for service, records in _sums(samples[name], service_label).items():
            lag.setdefault(service, records)
    return Reading(time=time, rows=rows, counts=counts, lag=lag, counting=answer["counting"])


def _counts(
    source: Source, samples: Mapping[str, Sequence[tuple[Mapping[str, str], float]]], service_label: str
) -> dict[str, Counts]:
    label = _CALLEE if source.of_callee else service_label
    found: dict[str, Counts] = defaultdict(Counts)
    for labels, value in samples.get(source.counter, ()):
        counts = found[labels.get(label, "")]
        counts.requests += value
        if has_failed(labels.get(source.status, "")):
            counts.failed += value
    for labels, value in samples.get(source.buckets, ()):
        found[labels.get(label, "")].buckets[float(labels[_BOUND])] += value
    return found


def _sums(samples: Iterable[tuple[Mapping[str, str], float]], label: str) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for labels, value in samples:
        sums[labels.get(label, "")] += value
    return sums


def has_failed(status: str) -> bool:
    """Return whether requests with this status, or class of it, have failed; `error` is a call without a response."""
    return status.startswith("5") or status == "error"


def figures(older: Reading, newer: Reading) -> list[Figures]:
    """Return each service of the newer reading, its rates over the time since the older one."""
    return [_figures(row, older, newer) for row in newer.rows]


def _figures(row: Mapping[str, Any], older: Reading, newer: Reading) -> Figures:
    service = row["id"]
    memory = [worker["memory"]["pss"] for worker in row["workers"] if worker["memory"]]
    cpu = [worker["cpu"] for worker in row["workers"] if worker["cpu"] is not None]
    rate = errors = latency = None
    if (now := newer.counts.get(service)) is not None:
        before = older.counts.get(service, Counts())
        count = max(0.0, now.requests - before.requests)
        seconds = newer.time - older.time
        rate = count / seconds if seconds > 0 else 0.0
        errors = min(1.0, max(0.0, now.failed - before.failed) / count) if count else None
        took = {bound: max(0.0, total - before.buckets.get(bound, 0.0)) for bound, total in now.buckets.items()}
        latency = quantile(QUANTILE, took)
    return Figures(
        id=service,
        entrypoint=row["entrypoint"],
        state=row["state"],
        ready=row["ready"],
        workers=len(row["workers"]),
        requests=rate,
        errors=errors,
        latency=latency,
        lag=newer.lag.get(service),
        memory=sum(memory) if memory else None,
        cpu=sum(cpu) if cpu else None,
        restarts=row["restarts"],
        detail=row["detail"] or "",
    )


def quantile(share: float, buckets: Mapping[float, float]) -> float | None:
    """Return the quantile as Prometheus does: linear within its bucket; None without any request.

    Above the last bound of the histogram it is that bound.
    """
    total = max(buckets.values(), default=0.0)
    if not total:
        return None
    rank, below, lower = share * total, 0.0, 0.0
    for bound in sorted(buckets):
        if buckets[bound] >= rank and buckets[bound] > below:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (rank - below) / (buckets[bound] - below)
        below, lower = buckets[bound], bound
    return lower
