"""A breaker opens after consecutive failures within its window, and closes after the first success."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pywatt.circuit_breaker import Breaker, BreakerPolicy, BreakerState

POLICY = BreakerPolicy(failures=3, window=10.0, pause=5.0)


def breaker(*failed_at: float) -> Breaker:
    made = Breaker(POLICY)
    for moment in failed_at:
        made.failed(moment)
    return made


def state(made: Breaker) -> BreakerState:
    return made.state


def test_opens_after_failures_in_a_row() -> None:
    assert breaker(0, 1).state is BreakerState.CLOSED
    assert breaker(0, 1, 10).state is BreakerState.OPEN


def test_failures_far_apart_do_not_open_it() -> None:
    made = breaker(0, 1, 10.1)
    assert state(made) is BreakerState.CLOSED
    made.failed(10.9)
    assert state(made) is BreakerState.OPEN


def test_success_between_them_does_not_count_the_ones_before() -> None:
    made = breaker(0, 1)
    made.succeeded()
    made.failed(2)
    made.failed(3)
    assert state(made) is BreakerState.CLOSED


def test_one_attempt_after_the_pause_decides() -> None:
    made = breaker(0, 0, 0)
    made.try_one()
    assert state(made) is BreakerState.HALF_OPEN
    made.failed(5)
    assert state(made) is BreakerState.OPEN
    made.try_one()
    made.succeeded()
    assert state(made) is BreakerState.CLOSED
    made.failed(11)
    assert state(made) is BreakerState.CLOSED


def test_what_was_under_way_when_it_opened_changes_nothing_but_by_success() -> None:
    made = breaker(0, 0, 0)
    made.failed(1)
    assert state(made) is BreakerState.OPEN
    made.succeeded()
    assert state(made) is BreakerState.CLOSED
    made.try_one()
    assert state(made) is BreakerState.CLOSED


@given(st.lists(st.booleans() | st.none(), max_size=40))
def test_it_is_open_only_when_as_many_failures_as_it_takes_came_without_a_success(events: list[bool | None]) -> None:
    made = Breaker(POLICY)
    row = 0
    for event in events:
        if event is None:
            made.try_one()
        elif event:
            made.succeeded()
            row = 0
        else:
            made.failed(0.0)
            row += 1
        assert (state(made) is BreakerState.CLOSED) == (row < POLICY.failures)
