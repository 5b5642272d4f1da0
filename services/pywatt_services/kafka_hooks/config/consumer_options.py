"""Reads the block `consumer`: the group, where it begins, how it fetches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pywatt_kafka.engine.fetching import Fetching, Isolation
from pywatt_services.diagnostics.problem_report import ReportProblem
from pywatt_services.kafka_hooks.config.milliseconds import MILLISECONDS, seconds
from pywatt_services.kafka_hooks.config.options import ConsumerOptions, GivenOffset, StartAt
from pywatt_services.kafka_hooks.config.share_options import SHARE

MANUAL, COMMITTED = "manual", "committed"
STARTS = frozenset({StartAt.EARLIEST.value, StartAt.LATEST.value})
"""Modes that say where to begin; with the others fallbackMode does."""


def consumer_options(
    entry: Mapping[str, Any], *, needed: bool, reads: Callable[[str], bool], report_problem: ReportProblem
) -> ConsumerOptions | None:
    """Return the options, None without a group. `needed`: one is required; `reads`: whether a topic is read."""
    group = entry.get("groupId")
    if group is None:
        if needed:
            hint = 'such as "consumer": {"groupId": "kafka-hooks-consumer"}'
            report_problem("consumer.groupId", "topics are delivered, but consumer.groupId is missing", hint)
        return None
    defaults = ConsumerOptions(group_id=group)
    mode = entry.get("mode", COMMITTED)
    options = ConsumerOptions(
        group_id=group,
        start_at=StartAt(entry.get("fallbackMode", StartAt.EARLIEST.value) if mode not in STARTS else mode),
        offsets=() if mode == SHARE else tuple(_offsets(entry, mode, reads, report_problem)),
        group_instance_id=entry.get("groupInstanceId"),
        session_timeout=seconds(entry, "sessionTimeout", defaults.session_timeout),
        rebalance_timeout=seconds(entry, "rebalanceTimeout", defaults.rebalance_timeout),
        heartbeat_interval=entry["heartbeatInterval"] / MILLISECONDS if "heartbeatInterval" in entry else None,
        buffered_records=entry.get("highWaterMark", defaults.buffered_records),
        fetching=_fetching(entry, report_problem),
        is_share=mode == SHARE,
        share_session_timeout=_share_session_timeout(entry) if mode == SHARE else None,
        max_records=entry.get("highWaterMark") if mode == SHARE else None,
    )
    if options.heartbeat_interval is not None and options.heartbeat_interval >= options.session_timeout:
        message = f"no heartbeat comes within sessionTimeout ({options.session_timeout * MILLISECONDS:.0f})"
        report_problem("consumer.heartbeatInterval", message, "a third of sessionTimeout at most, or leave it out")
    return options


def _share_session_timeout(entry: Mapping[str, Any]) -> float | None:
    return entry["sessionTimeout"] / MILLISECONDS if "sessionTimeout" in entry else None


def _fetching(entry: Mapping[str, Any], report_problem: ReportProblem) -> Fetching:
    defaults = Fetching()
    made = Fetching(
        isolation=Isolation(str(entry.get("isolationLevel", defaults.isolation.value)).lower()),
        min_bytes=entry.get("minBytes", defaults.min_bytes),
        max_bytes=entry.get("maxBytes", defaults.max_bytes),
        max_wait=seconds(entry, "maxWaitTime", defaults.max_wait),
    )
    if made.min_bytes > made.max_bytes:
        report_problem(
            "consumer.minBytes", f"minBytes is more than maxBytes ({made.max_bytes})", "lower it, or raise that"
        )
    return made


def _offsets(
    entry: Mapping[str, Any], mode: str, reads: Callable[[str], bool], report_problem: ReportProblem
) -> Iterable[GivenOffset]:
    given: list[Mapping[str, Any]] = entry.get("offsets", [])
    if mode == MANUAL and not given:
        hint = 'such as "offsets": [{"topic": "orders", "partition": 0, "offset": 120}]'
        report_problem("consumer.offsets", "mode is manual, but no offsets are given", hint)
    if mode != MANUAL and given:
        report_problem("consumer.offsets", f"offsets are for the mode manual, not {mode}", 'add "mode": "manual"')
    seen: set[tuple[str, int]] = set()
    for number, each in enumerate(given):
        key = f"consumer.offsets[{number}]"
        place = each["topic"], each["partition"]
        if not reads(each["topic"]):
            report_problem(f"{key}.topic", f"{each['topic']} is not read here", "name a topic of topics")
        if place in seen:
            report_problem(key, f"{each['topic']}[{each['partition']}] is given twice", "remove one of them")
        seen.add(place)
        yield GivenOffset(topic=each["topic"], partition=each["partition"], offset=each["offset"])
