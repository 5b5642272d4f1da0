"""Lag, time lag and verdicts as metrics (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from pywatt.metrics import kafka_families
from pywatt_kafka.lag.verdict import CALM_VERDICTS, Finding
from pywatt_services.health.lag import WatchedGroup
from pywatt_services.kafka_hooks.metrics.prometheus import Labels, MetricFamily, simple_family


def lag_families(groups: Sequence[WatchedGroup]) -> list[MetricFamily]:
    """Return the gauges of all groups."""
    findings: list[tuple[Labels, Finding]] = [
        ({"group": known.group, "topic": place.topic, "partition": str(place.partition)}, finding)
        for known in groups
        for place, finding in known.findings.items()
    ]
    return [
        simple_family(kafka_families.LAG_RECORDS, [(labels, finding.records) for labels, finding in findings]),
        simple_family(
            kafka_families.LAG_SECONDS,
            [(labels, finding.seconds) for labels, finding in findings if finding.seconds is not None],
        ),
        simple_family(
            kafka_families.LAG_ALARM, [(labels, finding.verdict not in CALM_VERDICTS) for labels, finding in findings]
        ),
        simple_family(
            kafka_families.LAG_KNOWN,
            [({"group": known.group}, known.known) for known in groups if known.known is not None],
        ),
        simple_family(
            kafka_families.LAG_MEMBERS,
            [({"group": known.group}, known.members) for known in groups if known.members is not None],
        ),
    ]
