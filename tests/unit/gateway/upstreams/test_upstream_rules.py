"""The pure parts: turns, breakers, health, the budget of retries."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.circuit_breaker import BreakerPolicy
from pywatt.mesh.address import locate
from pywatt_services.gateway.upstreams.balance import Balance
from pywatt_services.gateway.upstreams.health_checks import HealthState
from pywatt_services.gateway.upstreams.options import CAUSES, HealthCheck, Retries
from pywatt_services.gateway.upstreams.retry_rules import RESERVE, RetryBudget, may_send_again
from pywatt_services.gateway.upstreams.upstream import Upstream


@given(st.lists(st.integers(min_value=0, max_value=9), min_size=1, max_size=5))
def test_turns_by_weight_are_exact(weights: list[int]) -> None:
    balance = Balance(weights)
    total = sum(weights)
    everything = range(len(weights))
    chosen = Counter(balance.choose(everything, [0] * len(weights)) for _ in range(total * 3))
    if len({weight for weight in weights if weight}) > 1:
        assert chosen == {index: weight * 3 for index, weight in enumerate(weights) if weight}
    elif total:
        assert set(chosen) == {index for index, weight in enumerate(weights) if weight}
        assert max(chosen.values()) - min(chosen.values()) <= 1
    else:
        assert balance.choose(everything, [0] * len(weights)) is None


@given(
    st.lists(st.integers(min_value=0, max_value=3), min_size=1, max_size=5),
    st.lists(st.integers(min_value=0, max_value=50), min_size=5, max_size=5),
    st.sets(st.integers(min_value=0, max_value=4)),
)
def test_only_those_that_are_available_are_chosen(weights: list[int], in_flight: list[int], some: set[int]) -> None:
    available = sorted(index for index in some if index < len(weights))
    chosen = Balance(weights).choose(available, in_flight[: len(weights)])
    if chosen is None:
        assert not any(weights[index] for index in available)
        return
    assert chosen in available
    assert weights[chosen]
    if len({weight for weight in weights if weight}) == 1:
        assert in_flight[chosen] == min(in_flight[index] for index in available if weights[index])


def test_breaker_of_an_upstream() -> None:
    upstream = Upstream("http://a", locate("http://a"), BreakerPolicy(failures=2, window=60, pause=10))
    upstream.begin()
    assert upstream.available(0)
    assert not upstream.failed(0)
    assert upstream.failed(1)  # says that it opens, once
    assert not upstream.failed(1)
    upstream.end()
    assert (upstream.in_flight, upstream.available(10.9)) == (0, False)
    assert "breaker" in upstream.state
    assert upstream.available(11)
    upstream.begin()
    assert not upstream.available(11)  # one at a time
    assert not upstream.failed(12)  # it was no news
    upstream.end()
    assert not upstream.available(21)
    assert upstream.available(22)
    upstream.begin()
    upstream.end()  # without an outcome: the next one tries
    assert upstream.available(22)
    upstream.begin()
    assert upstream.succeeded()
    upstream.end()
    assert upstream.available(22)
    assert not upstream.succeeded()
    upstream.healthy = False
    assert not upstream.available(22)


def test_health_needs_answers_in_a_row() -> None:
    state = HealthState(HealthCheck(failure_threshold=3, success_threshold=2))
    answers = [False, False, True, False, False, False, False, True, False, True, True, True]
    changes = [(index, state.healthy) for index, passed in enumerate(answers) if state.answered(passed)]
    assert changes == [(5, False), (10, True)]


@given(st.floats(min_value=0, max_value=1), st.integers(min_value=0, max_value=500))
def test_budget_bounds_retries(share: float, requests: int) -> None:
    budget = RetryBudget(share, 0.0)
    retries = 0
    for _ in range(requests):
        budget.earn()
        while budget.take(0.0):
            retries += 1
    assert retries <= RESERVE + requests * share + 1e-6
    # Requests that all go well earn no endless reserve.
    for _ in range(10_000):
        budget.earn()
    assert sum(budget.take(0.0) for _ in range(10_000)) <= max(RESERVE, 100 * share) + 1
    assert budget.take(2.0)


@pytest.mark.parametrize("cause", CAUSES)
def test_which_requests_are_sent_again(cause: str) -> None:
    rules = Retries(count=2, on=frozenset({cause}))
    assert may_send_again(rules, cause, b"GET", retries=1, body_kept=True)
    assert not may_send_again(rules, cause, b"GET", retries=2, body_kept=True)
    assert not may_send_again(rules, cause, b"GET", retries=0, body_kept=False)
    assert may_send_again(rules, cause, b"POST", retries=0, body_kept=True) is (cause == "connect")
    others = Retries(on=frozenset(CAUSES) - {cause})
    assert not may_send_again(others, cause, b"GET", retries=0, body_kept=True)
