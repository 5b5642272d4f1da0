"""The deliveries from the retry topic of one entry: each record when it is due, none behind another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from pywatt_kafka.processing.commit_metadata import AttemptRecord
from pywatt_kafka.processing.key_queues import KeyQueue, KeyQueues
from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.bundling import BundlingWebhook
from pywatt_services.kafka_hooks.delivering.retry_record import read_retry_record
from pywatt_services.kafka_hooks.delivering.webhook import Webhook

LONGEST_WAIT = 3600.0  # seconds until the clock is looked at again


@dataclass(slots=True, eq=False)
class RetriedDelivery(Delivery):
    """A record from a retry topic; `message` is the record of the original topic."""

    record: Message = field(kw_only=True)
    """The record of the retry topic, which is committed."""
    due: float = field(kw_only=True)
    """Seconds since 1970."""

    def finish(self) -> None:
        """Finish the record."""
        self.partition.finish(self.record, self.share)

    def try_again(self, status: int | None, due: float = 0.0) -> None:
        """Record a failed attempt in the commit; `due`: time of the next attempt, in seconds since 1970."""
        self.partition.try_again(self.record, self.share, AttemptRecord(self.attempts, status, due))

    @property
    def offset(self) -> int:
        """Offset in the assigned partition."""
        return self.record.offset


class RetryTopicWebhook(Webhook):
    """The deliveries of one retry topic."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        """Takes the same arguments as Webhook."""
        super().__init__(*arguments, **more)
        self._queues = _DueQueues(self._early, self._park)

    def accept(self, delivery: Delivery) -> None:
        """Queue a record until it is due."""
        record = delivery.message
        found = read_retry_record(record)
        if found is None:  # somebody else has written it: it is delivered as it is
            retried = RetriedDelivery(record, delivery.partition, delivery.share, record=record, due=0.0)
            retried.read_at = self._now()
        else:
            retried = RetriedDelivery(
                found.message,
                delivery.partition,
                delivery.share,
                attempts=found.attempts,
                failures=found.failures,
                target_id=found.target_id,
                read_at=found.read_at,
                record=record,
                due=found.due,
            )
        attempt_record = delivery.share.attempt_record(record.offset)
        if attempt_record is not None:
            self._outcome_handler.resume(retried, attempt_record)
        self._queues.add(delivery.partition.place, record.offset, retried)
        self._start_runner()

    def _early(self, delivery: Delivery) -> float:
        """Return the seconds until a record is due; not above 0 when it is."""
        return min(delivery.due - self._now(), LONGEST_WAIT) if isinstance(delivery, RetriedDelivery) else 0.0


class BundlingRetryTopicWebhook(RetryTopicWebhook, BundlingWebhook):
    """The deliveries of one retry topic, several records in one request."""


class _DueQueues(KeyQueues[Delivery]):
    """Key queues that are given out when their heads are due."""

    def __init__(self, early: Callable[[Delivery], float], park: Callable[[KeyQueue[Delivery], float], None]) -> None:
        super().__init__()
        self._early = early
        self._park_for = park

    def take(self) -> KeyQueue[Delivery] | None:
        """Return the due queue that waited longest; queues that are not due are parked until then."""
        while (queue := super().take()) is not None:
            wait = self._early(queue.head)
            if wait <= 0:
                return queue
            self._park_for(queue, wait)
        return None
