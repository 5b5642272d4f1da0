"""Explains the lag of partitions: how far each is, and which record it cannot be committed beyond."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from pywatt.circuit_breaker import BreakerState
from pywatt_kafka.json_bytes import text_or_base64
from pywatt_kafka.processing.key_queues import KeyQueue, QueueState
from pywatt_kafka.records import Offset, TopicPartition, Unstable
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.retry_topic import RetriedDelivery
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import Postpone, Wait
from pywatt_services.kafka_hooks.webhooks.templates import shown

NONE_UNSTABLE: Mapping[TopicPartition, Unstable] = {}


class ExplainedPartition(Protocol):
    """A partition of which this worker has records."""

    @property
    def committed(self) -> Offset | None: ...
    @property
    def next(self) -> int | None: ...
    @property
    def paused(self) -> bool: ...


class ExplainedTarget(Protocol):
    """Delivers the records of one topic to one URL."""

    @property
    def options(self) -> WebhookOptions: ...
    @property
    def breaker_state(self) -> BreakerState | None: ...
    def queues(self) -> Iterable[KeyQueue[Delivery]]: ...


def oldest(targets: Iterable[ExplainedTarget]) -> dict[TopicPartition, dict[ExplainedTarget, KeyQueue[Delivery]]]:
    """Return, per partition and target, the queue of the lowest unfinished offset."""
    found: dict[TopicPartition, dict[ExplainedTarget, KeyQueue[Delivery]]] = {}
    for target in targets:
        for queue in target.queues():
            by_target = found.setdefault(queue.head.partition.place, {})
            first = by_target.get(target)
            if first is None or queue.head.offset < first.head.offset:
                by_target[target] = queue
    return found


def explain_lag(
    held: Mapping[TopicPartition, ExplainedPartition],
    targets: Sequence[ExplainedTarget],
    now: float,
    unstable: Mapping[TopicPartition, Unstable] = NONE_UNSTABLE,
) -> list[dict[str, Any]]:
    """Return the state of each partition as JSON. `now`: seconds since 1970."""
    first = oldest(targets)
    return [
        {
            "topic": place.topic,
            "partition": place.partition,
            "committed": None if partition.committed is None else partition.committed.offset,
            "next": partition.next,
            "paused": partition.paused,
            "openTransaction": unstable[place]._asdict() if place in unstable else None,
            "heldBy": [_explain(target, queue, now) for target, queue in first.get(place, {}).items()],
        }
        for place, partition in sorted(held.items())
    ]


def _explain(target: ExplainedTarget, queue: KeyQueue[Delivery], now: float) -> dict[str, Any]:
    delivery = queue.head
    return {
        "target": shown(target.options.url),
        "offset": delivery.offset,
        **({"origin": delivery.place} if isinstance(delivery, RetriedDelivery) else {}),
        "key": text_or_base64(delivery.message.key),
        "age": round(delivery.age(now), 3),
        "attempts": delivery.attempts,
        "behind": len(queue.items) - 1,
        "state": _state(target, queue),
        "error": delivery.failures[-1].outcome if delivery.failures else "",
    }


def _state(target: ExplainedTarget, queue: KeyQueue[Delivery]) -> str:
    if isinstance(queue.head.disposition, Wait):
        return "waits for its next attempt"
    if queue.head.disposition is not None:
        what = "record for the retry topic" if isinstance(queue.head.disposition, Postpone) else "dead letter"
        obstacle = queue.head.obstacle
        return f"its {what} cannot be written: {obstacle}" if obstacle else f"its {what} is not written yet"
    if queue.state is QueueState.RUNNING:
        return "in flight"
    if target.breaker_state in (BreakerState.OPEN, BreakerState.HALF_OPEN):
        return "the target's circuit breaker is open"
    if queue.state is QueueState.PARKED:
        return "waits for its next attempt"
    return "waits for its turn"
