"""Handles the outcome of attempts, for one entry of `topics`: finished, retried, or a dead letter."""

from __future__ import annotations

from collections.abc import Callable
from random import random
from time import time

from pywatt_kafka.processing.commit_metadata import AttemptRecord
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.failure_log import FailureLog
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreaker
from pywatt_services.kafka_hooks.delivering.undelivered_writer import UndeliveredWriter
from pywatt_services.kafka_hooks.metrics.delivery_metrics import TopicMetrics
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.retry import (
    Postpone,
    Retry,
    RetryPolicy,
    SendToDlq,
    StatusMeaning,
    Wait,
    asked_pause,
    dead_letter_of,
    decide,
    decide_uncounted,
    is_trouble,
    longest_pause,
)

CAUSE_LOST = "no answer (the attempt was made by a worker that has ended)"


class OutcomeHandler:
    """Carries out the retry policy's decisions."""

    def __init__(
        self,
        policy: RetryPolicy,
        undelivered_writer: UndeliveredWriter,
        *,
        breaker: TargetBreaker | None,
        failure_log: FailureLog,
        metrics: TopicMetrics,
        now: Callable[[], float] = time,
        rng: Callable[[], float] = random,
    ) -> None:
        self._policy = policy
        self._undelivered_writer = undelivered_writer
        self._breaker = breaker
        self._failure_log = failure_log
        self._meter = metrics
        self._now = now
        self._rng = rng

    def succeeded(self) -> None:
        """Note that the target took a record."""
        self._failure_log.failing = False
        if self._breaker is not None:
            self._breaker.succeeded()

    def resume(self, delivery: Delivery, record: AttemptRecord) -> None:
        """Resume a record after an earlier worker's attempts; after the last one only its dead letter is left."""
        delivery.attempts = record.attempts
        policy = self._policy
        if record.attempts >= policy.attempts or (
            record.status is not None and policy.rules.of(record.status) == StatusMeaning.DROP
        ):
            self.dead_letter(delivery, dead_letter_of(record.status), CAUSE_LOST, record.status)
            return
        until = min(record.due, self._now() + longest_pause(policy))  # a clock may have been wrong
        if until > self._now():
            delivery.disposition = Wait(until) if policy.topic is None else Postpone(until)

    def dead_letter(self, delivery: Delivery, disposition: SendToDlq, cause: str, status: int | None = None) -> None:
        """Make a record a dead letter without an attempt."""
        number = max(delivery.attempts, 1)
        delivery.failed(Attempt(number=number, requested_at=self._now(), status=status, cause=cause))
        delivery.disposition = disposition

    def is_past_its_age(self, delivery: Delivery) -> bool:
        """Tell whether a record was tried, and is older than `maxAge`."""
        limit = self._policy.max_age
        if limit is None or not delivery.failures or delivery.disposition is not None:
            return False
        return delivery.age(self._now()) > limit

    def give_up(self, delivery: Delivery) -> None:
        """Make a record that was tried a dead letter."""
        delivery.disposition = dead_letter_of(delivery.failures[-1].status)

    def counts(self, attempt: Attempt) -> bool:
        """Report an attempt to the breaker; return whether it counts as one of the record's."""
        breaker = self._breaker
        if breaker is None:
            return True
        if not is_trouble(attempt.status):
            breaker.succeeded()
            return True
        return breaker.troubled(attempt.outcome, asked_pause(self._policy, attempt.retry_after))

    def failed(self, delivery: Delivery, attempt: Attempt, *, counts: bool) -> float | None:
        """Return the seconds from a failed attempt to the next; `counts`: the breaker's answer.

        None: there is no further attempt here, and the record has a disposition, which `carry_out` carries out.
        """
        return self._counted(delivery, attempt) if counts else self._uncounted(delivery, attempt)

    async def carry_out(self, delivery: Delivery) -> float | None:
        """Carry out a record's disposition; return the seconds until its next step, None when the record is done."""
        disposition = delivery.disposition
        assert disposition is not None
        if isinstance(disposition, Wait):
            delivery.disposition = None
            return max(disposition.until - self._now(), 0.0)
        return await self._undelivered_writer.write(delivery, disposition)

    def _counted(self, delivery: Delivery, attempt: Attempt) -> float | None:
        delivery.attempts = attempt.number
        delivery.failed(attempt)
        self._failure_log.failed(delivery, attempt)
        decision = decide(
            attempt.status,
            delivery.attempts,
            self._policy,
            age=delivery.age(attempt.requested_at),
            retry_after=attempt.retry_after,
            draw=self._rng(),
        )
        if not isinstance(decision, Retry):
            delivery.try_again(attempt.status)  # a successor goes on with the dead letter
            delivery.disposition = decision
            return None
        self._meter.retried()
        due = self._now() + decision.after
        delivery.try_again(attempt.status, due)
        if self._policy.topic is None:
            return decision.after
        delivery.disposition = Postpone(due)
        return None

    def _uncounted(self, delivery: Delivery, attempt: Attempt) -> float | None:
        assert self._breaker is not None
        delivery.failed(attempt)
        decision = decide_uncounted(
            attempt.status,
            self._policy,
            pause=self._breaker.pause,
            age=delivery.age(attempt.requested_at),
            retry_after=attempt.retry_after,
        )
        if isinstance(decision, Retry):
            before = delivery.share.attempt_record(delivery.offset)
            counted = None if before is None else before.status
            delivery.try_again(counted, self._now() + decision.after)  # its status says nothing of the record
            return decision.after
        delivery.disposition = decision
        return None
