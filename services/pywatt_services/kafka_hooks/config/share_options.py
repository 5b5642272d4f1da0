"""Checks what a service with `"mode": "share"` says: a share group has no order and no committed offsets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pywatt_services.diagnostics.problem_report import ReportProblem
from pywatt_services.kafka_hooks.config.options import EMBEDDED

SHARE = "share"
OF_THE_GROUP = "the brokers decide that for share groups: take it out"
WITHOUT_MEANING = {
    "offsets": 'a share group has no offsets to begin at: take it out, or choose "mode": "manual"',
    "groupInstanceId": "share groups have no static members: take it out",
    "rebalanceTimeout": OF_THE_GROUP,
    "heartbeatInterval": OF_THE_GROUP,
    "minBytes": OF_THE_GROUP,
    "maxBytes": OF_THE_GROUP,
    "maxWaitTime": OF_THE_GROUP,
}
"""Keys of `consumer`, and what to do about each."""
ORDERED = frozenset({"key", "partition"})


def is_share(settings: Mapping[str, Any]) -> bool:
    """Return whether the records come from a share group (pure)."""
    return bool(settings.get("consumer", {}).get("mode") == SHARE)


def check_share(settings: Mapping[str, Any], report_problem: ReportProblem) -> None:
    """Report what needs an order, or a member of an ordinary group."""
    consumer: Mapping[str, Any] = settings["consumer"]
    for key, remedy in WITHOUT_MEANING.items():
        if key in consumer:
            report_problem(f"consumer.{key}", f"{key} has no meaning with mode {SHARE}", remedy)
    if consumer.get("fallbackMode") == "fail":
        report_problem(
            "consumer.fallbackMode",
            "a share group begins somewhere: it has no committed offsets that could be missing",
            "earliest or latest",
        )
    if EMBEDDED in settings.get("brokers", ()):
        report_problem(
            "brokers", "the embedded broker has no share groups", "use Kafka 4.2: pywatt kafka start --version 4.2"
        )
    _check_order("order", settings, report_problem)
    _check_retry_topic("retry", settings.get("retry", {}), report_problem)
    entries: Sequence[Mapping[str, Any]] = settings.get("topics", ())
    for number, entry in enumerate(entries):
        key = f"topics[{number}]"
        _check_order(f"{key}.order", entry, report_problem)
        _check_retry_topic(f"{key}.retry", entry.get("retry", {}), report_problem)
        if "pattern" in entry:
            report_problem(
                f"{key}.pattern", "share groups read topics by name only", 'make an entry with "topic" for each'
            )


def _check_order(key: str, entry: Mapping[str, Any], report_problem: ReportProblem) -> None:
    if (order := entry.get("order")) in ORDERED:
        report_problem(
            key,
            f"order is {order}, but a share group (mode {SHARE}) delivers in no order",
            'take it out, or read as an ordinary group: "mode": "committed"',
        )


def _check_retry_topic(key: str, retry: Mapping[str, Any], report_problem: ReportProblem) -> None:
    if retry.get("topic"):
        report_problem(
            f"{key}.topic",
            f"records wait for their next attempt in the share group itself (mode {SHARE}), in no retry topic",
            'take it out, or read as an ordinary group: "mode": "committed"',
        )
