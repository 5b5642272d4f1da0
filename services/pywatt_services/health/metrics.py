"""Lag, time lag and verdicts as metrics (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from pywatt_kafka.lag.verdict import CALM_VERDICTS, Finding
from pywatt_services.health.lag import WatchedGroup
from pywatt_services.kafka_hooks.metrics.prometheus import Labels, MetricFamily


def lag_families(groups: Sequence[WatchedGroup]) -> list[MetricFamily]:
    """Return the gauges of all groups."""
    findings: list[tuple[Labels, Finding]] = [
        ({"group": known.group, "topic": place.topic, "partition": str(place.partition)}, finding)
        for known in groups
        for place, finding in known.findings.items()
    ]
    return [
        MetricFamily(
            "kafka_consumer_group_lag_records",
            "gauge",
            "Records that the group has yet to process",
            [("", labels, finding.records) for labels, finding in findings],
        ),
        MetricFamily(
            "kafka_consumer_group_lag_seconds",
            "gauge",
            "Age of the oldest of these records",
            [("", labels, finding.seconds) for labels, finding in findings if finding.seconds is not None],
        ),
        MetricFamily(
            "kafka_consumer_group_alarm",
            "gauge",
            "1 if the group is stalled, falls behind, is late or has no member",
            [("", labels, finding.verdict not in CALM_VERDICTS) for labels, finding in findings],
        ),
        MetricFamily(
            "kafka_consumer_group_known",
            "gauge",
            "1 if the cluster knows the group",
            [("", {"group": known.group}, known.known) for known in groups if known.known is not None],
        ),
        MetricFamily(
            "kafka_consumer_group_members",
            "gauge",
            "Members of the group",
            [("", {"group": known.group}, known.members) for known in groups if known.members is not None],
        ),
    ]
