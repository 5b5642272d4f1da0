"""What holds partitions: for each, how far it is, and the record that it cannot be committed beyond."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pywatt_kafka.dlq.shown import shown_bytes
from pywatt_kafka.records import TopicPartition, Unstable
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.partition import HeldPartition
from pywatt_services.kafka_hooks.delivering.lanes import Lane, LaneState
from pywatt_services.kafka_hooks.delivering.retries import RetriedDelivery
from pywatt_services.kafka_hooks.webhooks.breaker import BreakerState
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import Postpone, Wait
from pywatt_services.kafka_hooks.webhooks.templates import shown

NONE_UNSTABLE: Mapping[TopicPartition, Unstable] = {}


class Target(Protocol):
    """What delivers the records of one topic to one URL."""

    @property
    def options(self) -> WebhookOptions: ...
    @property
    def breaker_state(self) -> BreakerState | None: ...
    def lanes(self) -> Iterable[Lane[Delivery]]: ...


def oldest(targets: Iterable[Target]) -> dict[TopicPartition, dict[Target, Lane[Delivery]]]:
    """Return, per partition and target, the lane of the lowest unfinished offset."""
    found: dict[TopicPartition, dict[Target, Lane[Delivery]]] = {}
    for target in targets:
        for lane in target.lanes():
            by_target = found.setdefault(lane.head.partition.place, {})
            first = by_target.get(target)
            if first is None or lane.head.offset < first.head.offset:
                by_target[target] = lane
    return found


def hold_ups(
    held: Mapping[TopicPartition, HeldPartition],
    targets: Sequence[Target],
    now: float,
    unstable: Mapping[TopicPartition, Unstable] = NONE_UNSTABLE,
) -> list[dict[str, Any]]:
    """Return how each partition stands, as JSON has it. `now`: seconds since 1970."""
    first = oldest(targets)
    return [
        {
            "topic": place.topic,
            "partition": place.partition,
            "committed": None if partition.committed is None else partition.committed.offset,
            "next": partition.next,
            "paused": partition.paused,
            "openTransaction": unstable[place]._asdict() if place in unstable else None,
            "heldBy": [_hold_up(target, lane, now) for target, lane in first.get(place, {}).items()],
        }
        for place, partition in sorted(held.items())
    ]


def _hold_up(target: Target, lane: Lane[Delivery], now: float) -> dict[str, Any]:
    delivery = lane.head
    return {
        "target": shown(target.options.url),
        "offset": delivery.offset,
        **({"origin": delivery.place} if isinstance(delivery, RetriedDelivery) else {}),
        "key": shown_bytes(delivery.message.key),
        "age": round(delivery.age(now), 3),
        "attempts": delivery.attempts,
        "behind": len(lane.items) - 1,
        "state": _state(target, lane),
        "error": delivery.failures[-1].outcome if delivery.failures else "",
    }


def _state(target: Target, lane: Lane[Delivery]) -> str:
    if isinstance(lane.head.verdict, Wait):
        return "waits for its next attempt"
    if lane.head.verdict is not None:
        what = "record for the retry topic" if isinstance(lane.head.verdict, Postpone) else "dead letter"
        obstacle = lane.head.obstacle
        return f"its {what} cannot be written: {obstacle}" if obstacle else f"its {what} is not written yet"
    if lane.state is LaneState.RUNNING:
        return "in flight"
    if target.breaker_state in (BreakerState.OPEN, BreakerState.HALF_OPEN):
        return "the target's circuit breaker is open"
    if lane.state is LaneState.PARKED:
        return "waits for its next attempt"
    return "waits for its turn"
