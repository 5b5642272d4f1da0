from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pywatt.supervisor.restart import (
    FIRST_DELAY,
    JITTER,
    LONGEST_DELAY,
    STABLE_TIME,
    RestartHistory,
    after_exit,
    restart_delay,
)

MIDDLE = 0.5
"""The random number that gives no jitter."""


def test_the_first_failure_is_answered_at_once() -> None:
    history = after_exit(RestartHistory(), ready_seconds=5)
    assert restart_delay(history, minimum=0, random=MIDDLE) == 0


def test_further_failures_wait_longer_and_longer_up_to_a_limit() -> None:
    history = RestartHistory()
    delays = []
    for _ in range(30):
        history = after_exit(history, ready_seconds=0)
        delays.append(restart_delay(history, minimum=0, random=MIDDLE))
    assert delays[1] == FIRST_DELAY
    assert delays == sorted(delays)
    assert delays[-1] == LONGEST_DELAY


def test_a_stable_time_makes_earlier_failures_forgotten() -> None:
    assert after_exit(RestartHistory(failures=20), ready_seconds=STABLE_TIME) == RestartHistory(failures=1)


@given(
    st.lists(st.floats(0, 3600), max_size=200),
    st.floats(0, 60),
    st.floats(0, 1, exclude_max=True),
)
def test_the_delay_stays_within_its_bounds_for_any_history(
    ready_times: list[float], minimum: float, random: float
) -> None:
    history = RestartHistory()
    for ready_seconds in ready_times:
        history = after_exit(history, ready_seconds)
    delay = restart_delay(history, minimum=minimum, random=random)
    assert minimum <= delay <= max(minimum, LONGEST_DELAY * (1 + JITTER))


def test_a_slot_that_failed_for_months_still_gets_a_number() -> None:
    assert restart_delay(RestartHistory(failures=10**9), minimum=0, random=MIDDLE) == LONGEST_DELAY
