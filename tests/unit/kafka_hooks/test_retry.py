"""What follows an attempt: only 2xx is success, every attempt but the last is followed by a pause."""

from __future__ import annotations

from itertools import takewhile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.kafka_hooks.retry import DeadLetter, Done, Retry, RetryPolicy, decide

STATUSES = st.none() | st.integers(100, 999)
POLICIES = st.builds(RetryPolicy, attempts=st.integers(1, 10), delay=st.floats(0.25, 60))


@given(STATUSES, st.integers(1, 20), POLICIES)
def test_decision_depends_on_success_and_attempts_left(status: int | None, attempt: int, policy: RetryPolicy) -> None:
    decision = decide(status, attempt, policy)
    if status is not None and 200 <= status < 300:
        assert decision == Done()
    elif attempt < policy.attempts:
        assert decision == Retry(policy.delay)
    else:
        assert isinstance(decision, DeadLetter)


@given(st.lists(STATUSES, min_size=10, max_size=10), POLICIES)
def test_a_record_gets_at_most_its_attempts(statuses: list[int | None], policy: RetryPolicy) -> None:
    decisions = [decide(status, attempt, policy) for attempt, status in enumerate(statuses, 1)]
    retries = list(takewhile(lambda decision: isinstance(decision, Retry), decisions))
    assert len(retries) < policy.attempts


@pytest.mark.parametrize(("status", "reason"), [(None, "network_error"), (302, "http_302"), (503, "http_503")])
def test_reason_is_in_the_originals_words(status: int | None, reason: str) -> None:
    assert decide(status, 3, RetryPolicy()) == DeadLetter(reason)
