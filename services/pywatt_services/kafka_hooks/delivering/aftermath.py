"""What follows an attempt at a record, for one entry of `topics`: it is done, tried again, or written elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from random import random
from time import time

from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.progress import Tried
from pywatt_services.kafka_hooks.delivering.burial import Burial
from pywatt_services.kafka_hooks.delivering.meters import TopicMeter
from pywatt_services.kafka_hooks.delivering.notices import Notices
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreaker
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.retry import (
    Answered,
    DeadLetter,
    Postpone,
    Retry,
    RetryPolicy,
    Wait,
    asked_pause,
    dead_letter_of,
    decide,
    decide_uncounted,
    is_trouble,
    longest_pause,
)

CAUSE_LOST = "no answer (the attempt was made by a worker that has ended)"


class Aftermath:
    """Carries out what the policy decides."""

    def __init__(
        self,
        policy: RetryPolicy,
        burial: Burial,
        *,
        breaker: TargetBreaker | None,
        notices: Notices,
        meter: TopicMeter,
        now: Callable[[], float] = time,
        rng: Callable[[], float] = random,
    ) -> None:
        self._policy = policy
        self._burial = burial
        self._breaker = breaker
        self._notices = notices
        self._meter = meter
        self._now = now
        self._rng = rng

    def took(self) -> None:
        """Note that the target took a record."""
        self._notices.failing = False
        if self._breaker is not None:
            self._breaker.succeeded()

    def take_over(self, delivery: Delivery, tried: Tried) -> None:
        """Count the attempts that a worker before made; after the last one only the dead letter is to be written."""
        delivery.attempts = tried.attempts
        policy = self._policy
        if tried.attempts >= policy.attempts or (
            tried.status is not None and policy.rules.of(tried.status) == Answered.DROP
        ):
            self.condemn(delivery, dead_letter_of(tried.status), CAUSE_LOST, tried.status)
            return
        until = min(tried.due, self._now() + longest_pause(policy))  # a clock may have been wrong
        if until > self._now():
            delivery.verdict = Wait(until) if policy.topic is None else Postpone(until)

    def condemn(self, delivery: Delivery, verdict: DeadLetter, cause: str, status: int | None = None) -> None:
        """Have a dead letter written without an attempt of ours."""
        number = max(delivery.attempts, 1)
        delivery.failed(Attempt(number=number, requested_at=self._now(), status=status, cause=cause))
        delivery.verdict = verdict

    def is_past_its_age(self, delivery: Delivery) -> bool:
        """Whether a record was tried, and is older than any that is tried again."""
        limit = self._policy.max_age
        if limit is None or not delivery.failures or delivery.verdict is not None:
            return False
        return delivery.age(self._now()) > limit

    def give_up(self, delivery: Delivery) -> None:
        """Have the dead letter of a record written that was tried."""
        delivery.verdict = dead_letter_of(delivery.failures[-1].status)

    def counts(self, attempt: Attempt) -> bool:
        """Tell the breaker what came of an attempt; return whether it counts as one of the record's."""
        breaker = self._breaker
        if breaker is None:
            return True
        if not is_trouble(attempt.status):
            breaker.succeeded()
            return True
        return breaker.troubled(attempt.outcome, asked_pause(self._policy, attempt.retry_after))

    def failed(self, delivery: Delivery, attempt: Attempt, *, counts: bool) -> float | None:
        """Return the seconds until the attempt that follows one which failed; `counts`: what the breaker said of it.

        None: there will be none here. Then the record has its verdict, and `bury` is to carry that out.
        """
        return self._counted(delivery, attempt) if counts else self._uncounted(delivery, attempt)

    async def bury(self, delivery: Delivery) -> float | None:
        """Write what the record's verdict asks for; return the seconds until its next step, None when it is done."""
        verdict = delivery.verdict
        assert verdict is not None
        if isinstance(verdict, Wait):
            delivery.verdict = None
            return max(verdict.until - self._now(), 0.0)
        return await self._burial.bury(delivery, verdict)

    def _counted(self, delivery: Delivery, attempt: Attempt) -> float | None:
        delivery.attempts = attempt.number
        delivery.failed(attempt)
        self._notices.failed(delivery, attempt)
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
            delivery.verdict = decision
            return None
        self._meter.retried()
        due = self._now() + decision.after
        delivery.try_again(attempt.status, due)
        if self._policy.topic is None:
            return decision.after
        delivery.verdict = Postpone(due)
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
            before = delivery.share.tried(delivery.offset)
            counted = None if before is None else before.status
            delivery.try_again(counted, self._now() + decision.after)  # its status says nothing of the record
            return decision.after
        delivery.verdict = decision
        return None
