"""The metrics of Kafka clients, by OpenTelemetry's names for messaging as Prometheus writes them.

https://opentelemetry.io/docs/specs/semconv/messaging/messaging-metrics/
"""

from __future__ import annotations

from pywatt.metrics.family import Family, Group, Kind

TOPIC, CONSUMER_GROUP = "messaging_destination_name", "messaging_consumer_group_name"
OPERATION, ERROR = "messaging_operation_name", "error_type"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Seconds; those of the conventions."""

SENT = Family(
    name="messaging_client_sent_messages_total",
    kind=Kind.COUNTER,
    help="Records that clients of pywatt_kafka have sent; with error_type: that were not written",
    group=Group.CLIENT,
    labels=(TOPIC, ERROR),
)
CONSUMED = Family(
    name="messaging_client_consumed_messages_total",
    kind=Kind.COUNTER,
    help="Records that clients of pywatt_kafka have read",
    group=Group.CLIENT,
    labels=(TOPIC, CONSUMER_GROUP),
)
OPERATION_SECONDS = Family(
    name="messaging_client_operation_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="Time until a record is acknowledged (send), or an offset is committed (commit)",
    group=Group.CLIENT,
    labels=(OPERATION, TOPIC, ERROR),
    unit="seconds",
    buckets=BUCKETS,
)
PROCESS_SECONDS = Family(
    name="messaging_process_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="Time that handlers of records take",
    group=Group.CLIENT,
    labels=(TOPIC, ERROR),
    unit="seconds",
    buckets=BUCKETS,
)

FAMILIES: tuple[Family, ...] = (SENT, CONSUMED, OPERATION_SECONDS, PROCESS_SECONDS)
