"""A metric family: the declaration of one metric with its name, type, unit, help text and labels."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Kind(enum.StrEnum):
    """The types of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"
    SUMMARY = "summary"
    UNKNOWN = "unknown"


class Merge(enum.StrEnum):
    """The rule that joins the values of several processes into one; the names are those of `prometheus_client`."""

    SUM = "sum"
    MIN = "min"
    MAX = "max"
    MOST_RECENT = "mostrecent"
    EACH = "all"
    """One series for each process, with the label `pid`."""


class Group(enum.StrEnum):
    """The parts of pywatt that have metrics: headings of the documentation and rows of the dashboard."""

    APP = "App"
    SERVICES = "Services"
    GATEWAY = "Gateway"
    MESH = "Mesh"
    HOOKS = "kafka-hooks"
    CLIENT = "Kafka client"
    LAG = "Consumer lag"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """A rule by which Prometheus tells people of a problem."""

    name: str
    expression: str
    """In PromQL; `$NAME` stands for the family's name."""
    summary: str
    """May name labels as `{{ $labels.service }}`."""
    lasting: str = "5m"
    """Time for which the expression must hold."""
    severity: str = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """One metric."""

    name: str
    kind: Kind
    help: str
    group: Group
    labels: tuple[str, ...] = ()
    """Labels beside that of the service."""
    stored: tuple[str, ...] = ()
    """Further labels of a histogram in the files of workers, for the families that are derived from it."""
    derived_from: tuple[str, ...] = ()
    """Histograms whose observations it counts, or joins: so a worker writes each observation once."""
    unit: str = ""
    """Such as `seconds` or `bytes`; also the end of the name. Empty: a number of things."""
    buckets: tuple[float, ...] = ()
    """Upper bounds of a histogram, rising, without +Inf."""
    merge: Merge = Merge.SUM
    """The rule for a gauge."""
    alerts: tuple[Alert, ...] = ()
    service_label: str | None = "service"
    """The label with the id of the service; None: the metric belongs to the whole app."""

    @property
    def base(self) -> str:
        """The name without the suffix `_total` of counters."""
        return self.name.removesuffix("_total") if self.kind is Kind.COUNTER else self.name
