"""The step after a failed attempt: a delay from the policy and the target, or the end."""

from __future__ import annotations

from itertools import takewhile

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.kafka_hooks.webhooks.retry import (
    RETRY_AFTER_LIMIT,
    Retry,
    RetryPolicy,
    SendToDlq,
    StatusMeaning,
    StatusRules,
    decide,
    decide_uncounted,
    is_trouble,
    pause_after,
    retry_after,
    status_rules,
    succeeded,
)

STATUSES = st.none() | st.integers(100, 999)
POLICIES = st.builds(RetryPolicy, attempts=st.integers(1, 10), delay=st.floats(0.25, 60))


@given(STATUSES, st.integers(1, 20), POLICIES)
def test_decision_depends_on_attempts_left(status: int | None, attempt: int, policy: RetryPolicy) -> None:
    decision = decide(status, attempt, policy)
    if attempt < policy.attempts:
        assert decision == Retry(policy.delay)
    else:
        assert isinstance(decision, SendToDlq)


@given(st.lists(STATUSES, min_size=10, max_size=10), POLICIES)
def test_a_record_gets_at_most_its_attempts(statuses: list[int | None], policy: RetryPolicy) -> None:
    decisions = [decide(status, attempt, policy) for attempt, status in enumerate(statuses, 1)]
    retries = list(takewhile(lambda decision: isinstance(decision, Retry), decisions))
    assert len(retries) < policy.attempts


@pytest.mark.parametrize(("status", "reason"), [(None, "network_error"), (302, "http_302"), (503, "http_503")])
def test_reason_is_in_the_originals_words(status: int | None, reason: str) -> None:
    assert decide(status, 3, RetryPolicy()) == SendToDlq(reason)


@given(st.integers(100, 999))
def test_only_2xx_is_success_by_default_and_nothing_is_dropped(status: int) -> None:
    assert succeeded(status, RetryPolicy()) == (200 <= status < 300)
    assert StatusRules().of(status) != StatusMeaning.DROP


def test_what_is_said_of_fewer_statuses_wins() -> None:
    rules = status_rules(
        [
            (StatusMeaning.DROP, ["4xx", 204, "500-502"]),
            (StatusMeaning.RETRY, [408, 429]),
            (StatusMeaning.SUCCESS, [409, "5xx"]),
        ]
    )
    policy = RetryPolicy(rules=rules)
    dropped = {status for status in range(100, 1000) if rules.of(status) == StatusMeaning.DROP}
    assert dropped == {204, *range(400, 500), 500, 501, 502} - {408, 409, 429}
    assert {status for status in range(100, 600) if succeeded(status, policy)} == {
        *range(200, 300), 409, *range(503, 600),
    } - {204}  # fmt: skip
    assert decide(404, 1, policy) == SendToDlq("http_404")
    assert decide(408, 1, policy) == Retry(1.0)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([(StatusMeaning.DROP, [404]), (StatusMeaning.SUCCESS, ["404"])], "status 404 is listed as drop and success"),
        ([(StatusMeaning.DROP, ["504-500"])], "holds nothing"),
    ],
)
def test_contradiction_is_refused(listed: list[tuple[StatusMeaning, list[int | str]]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        status_rules(listed)


@given(st.integers(1, 10_000), st.floats(1, 100), st.floats(0.25, 60), st.floats(0.25, 3600))
def test_pauses_grow_up_to_the_limit(attempt: int, factor: float, delay: float, limit: float) -> None:
    policy = RetryPolicy(delay=delay, factor=factor, max_delay=limit)
    first, this, next_ = (pause_after(each, policy) for each in (1, attempt, attempt + 1))
    assert first == pytest.approx(delay)
    assert this <= next_ <= max(limit, delay) * 1.0001
    if next_ < limit * 0.999 and delay < limit:
        assert next_ == pytest.approx(this * factor)


def test_exponential_pauses() -> None:
    policy = RetryPolicy(delay=1, factor=2, max_delay=10)
    assert [round(pause_after(attempt, policy), 6) for attempt in range(1, 7)] == [1, 2, 4, 8, 10, 10]


@given(st.floats(0, 1), st.floats(0, 1))
def test_jitter_only_shortens(jitter: float, draw: float) -> None:
    decision = decide(500, 1, RetryPolicy(delay=4, jitter=jitter), draw=draw)
    assert isinstance(decision, Retry)
    assert 4 * (1 - jitter) - 1e-9 <= decision.after <= 4


@pytest.mark.parametrize(
    ("asked", "respected", "after"),
    [(None, True, 1.0), (5.0, True, 5.0), (0.0, True, 1.0), (5.0, False, 1.0), (1e9, True, RETRY_AFTER_LIMIT)],
)
def test_target_may_ask_for_a_longer_pause(asked: float | None, respected: bool, after: float) -> None:
    policy = RetryPolicy(respect_retry_after=respected)
    assert decide(503, 1, policy, retry_after=asked) == Retry(after)


@pytest.mark.parametrize(("age", "retried"), [(9.0, True), (9.1, False)])
def test_record_that_would_be_too_old_is_not_tried_again(age: float, retried: bool) -> None:
    decision = decide(503, 1, RetryPolicy(max_age=10), age=age)
    assert decision == (Retry(1.0) if retried else SendToDlq("http_503"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"120", 120.0),
        (b" 7 ", 7.0),
        (b"Fri, 23 Jan 2026 10:00:30 GMT", 30.0),
        (b"Fri, 23 Jan 2026 09:00:00 GMT", 0.0),
        (b"soon", None),
        (b"-1", None),
        (b"", None),
        ("٣".encode(), None),
        (b"Mon, 01 Jan 2024 00:00:00 +99999999999999999999", None),
        (b"Mon, 01 Jan 2024 00:00:00 " + b"GMT " * 20, None),
        (b"Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        (b"Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        (b"9" * 5000, 3600.0),
        (b"0" * 5000 + b"7", 7.0),
    ],
)
def test_retry_after_field(value: bytes, seconds: float | None) -> None:
    assert retry_after(value, 1769162400.0) == seconds


@fuzz
@given(
    st.binary(max_size=30) | st.from_regex(rb"Mon, \d{1,9} Jan \d{1,9} \d{1,9}:\d\d:\d\d [+-]\d{1,30}", fullmatch=True)
)
def test_any_retry_after_field_is_survived(value: bytes) -> None:
    found = retry_after(value, 0.0)
    assert found is None or 0 <= found <= RETRY_AFTER_LIMIT


@pytest.mark.parametrize(
    ("status", "trouble"), [(None, True), (503, True), (429, True), (408, True), (404, False), (302, False)]
)
def test_whose_fault_a_failure_is(status: int | None, trouble: bool) -> None:
    assert is_trouble(status) is trouble


@pytest.mark.parametrize(
    ("age", "asked", "respects", "decision"),
    [
        (0.0, None, True, Retry(10.0)),
        (0.0, 5.0, True, Retry(10.0)),
        (0.0, 20.0, True, Retry(20.0)),
        (0.0, 20.0, False, Retry(10.0)),
        (0.0, 1e9, True, SendToDlq("http_503")),
        (50.0, None, True, Retry(10.0)),
        (50.1, None, True, SendToDlq("http_503")),
        (40.1, 20.0, True, SendToDlq("http_503")),
        (40.1, 20.0, False, Retry(10.0)),
    ],
)
def test_attempt_that_does_not_count_waits_as_long_as_the_breaker_or_the_target_says_unless_it_gets_too_old(
    age: float, asked: float | None, respects: bool, decision: Retry | SendToDlq
) -> None:
    policy = RetryPolicy(attempts=1, max_age=60.0, respect_retry_after=respects)
    assert decide_uncounted(503, policy, pause=10.0, age=age, retry_after=asked) == decision
    ageless = decide_uncounted(503, RetryPolicy(), pause=10.0, age=1e9, retry_after=asked)
    assert ageless == Retry(max(10.0, min(asked or 0.0, RETRY_AFTER_LIMIT)))
