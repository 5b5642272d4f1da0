from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.model import RestartConfig, RestartPolicy
from pywatt.supervisor.policy.restart import (
    FIRST_DELAY,
    JITTER,
    STABLE_TIME,
    GiveUp,
    RestartHistory,
    StartAgain,
    after_exit,
)

NO_JITTER = 0.5
"""The random number that results in no jitter."""


def fail(
    history: RestartHistory, policy: RestartConfig, *, now: float = 0.0, ready_seconds: float = 0.0
) -> tuple[RestartHistory, StartAgain]:
    history, decision = after_exit(history, policy, exit_code=1, ready_seconds=ready_seconds, now=now, random=NO_JITTER)
    assert isinstance(decision, StartAgain)
    return history, decision


def test_the_first_failure_is_answered_at_once() -> None:
    _, decision = fail(RestartHistory(), RestartConfig(longest_delay=15))
    assert decision == StartAgain(delay=0, crash_loop=False)


def test_further_failures_wait_longer_and_longer_up_to_a_limit() -> None:
    history, delays = RestartHistory(), []
    for second in range(30):
        history, decision = fail(history, RestartConfig(longest_delay=15), now=second)
        delays.append(decision.delay)
    assert delays[1] == FIRST_DELAY
    assert delays == sorted(delays)
    assert delays[-1] == 15


def test_more_failures_in_a_period_than_the_intensity_allows_are_a_crash_loop() -> None:
    policy = RestartConfig(intensity=3, period=60, longest_delay=15)
    history, loops = RestartHistory(), []
    for second in (0, 1, 2, 3, 70):
        history, decision = fail(history, policy, now=second)
        loops.append(decision.crash_loop)
    assert loops == [False, False, False, True, False]


def test_a_stable_time_makes_earlier_failures_forgotten() -> None:
    history, decision = fail(RestartHistory(failures=20), RestartConfig(longest_delay=15), ready_seconds=STABLE_TIME)
    assert (history.failures, decision.delay) == (1, 0)


def test_a_transient_worker_that_finished_stays_down_and_one_that_failed_does_not() -> None:
    policy = RestartConfig(policy=RestartPolicy.TRANSIENT, longest_delay=15)
    _, done = after_exit(RestartHistory(), policy, exit_code=0, ready_seconds=1, now=0, random=0)
    assert done == GiveUp(failed=False)
    fail(RestartHistory(), policy)


def test_a_permanent_worker_is_started_again_after_exit_status_0_too() -> None:
    _, decision = after_exit(
        RestartHistory(), RestartConfig(longest_delay=15), exit_code=0, ready_seconds=1, now=0, random=0
    )
    assert isinstance(decision, StartAgain)


def test_a_temporary_worker_is_never_started_again() -> None:
    policy = RestartConfig(policy=RestartPolicy.TEMPORARY, longest_delay=15)
    for code in (0, 1, -9):
        _, decision = after_exit(RestartHistory(), policy, exit_code=code, ready_seconds=1, now=0, random=0)
        assert decision == GiveUp(failed=code != 0)


exits = st.tuples(st.integers(-15, 3), st.floats(0, 100), st.floats(0, 1000), st.floats(0, 1, exclude_max=True))


@given(
    st.lists(exits, min_size=1, max_size=200),
    st.builds(
        RestartConfig,
        policy=st.just(RestartPolicy.PERMANENT),
        delay=st.floats(0, 60),
        longest_delay=st.floats(0, 600),
        intensity=st.integers(0, 20),
        period=st.floats(0, 600),
    ),
)
def test_any_history_gives_a_delay_within_its_bounds(
    ends: list[tuple[int, float, float, float]], policy: RestartConfig
) -> None:
    history, now = RestartHistory(), 0.0
    for exit_code, ready_seconds, pause, random in ends:
        now += ready_seconds + pause
        history, decision = after_exit(
            history, policy, exit_code=exit_code, ready_seconds=ready_seconds, now=now, random=random
        )
        assert isinstance(decision, StartAgain)
        assert policy.delay <= decision.delay <= max(policy.delay, policy.longest_delay * (1 + JITTER))
        assert len(history.times) <= len(ends)
        assert decision.crash_loop is (len(history.times) > policy.intensity)


def test_a_slot_that_failed_for_months_still_gets_a_number() -> None:
    _, decision = fail(RestartHistory(failures=10**9), RestartConfig(longest_delay=15))
    assert decision.delay == 15
