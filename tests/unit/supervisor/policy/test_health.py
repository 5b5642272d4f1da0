"""Replacement of a worker that still answers but is unhealthy."""

from __future__ import annotations

import pytest

from pywatt.config.model import HealthConfig
from pywatt.supervisor.policy.health import HealthAction, HealthDecision, HealthHistory, after_health_check, over_memory
from pywatt.supervisor.policy.heartbeat import HeartbeatState

MEGABYTE = 1024 * 1024
HEALTH = HealthConfig(interval=10, grace_period=5, max_unhealthy_checks=3, max_loop_delay=0.1, max_cpu=0.9)


@pytest.mark.parametrize(
    ("used", "ready_seconds", "action"),
    [
        (100, 60, None),
        (101, 60, HealthAction.REPLACE),
        (101, 1, None),
        (151, 60, HealthAction.KILL),
        (151, 0, HealthAction.KILL),
    ],
)
def test_memory(used: int, ready_seconds: float, action: HealthAction | None) -> None:
    decision = over_memory(used * MEGABYTE, 100 * MEGABYTE, ready_seconds=ready_seconds, grace_period=30)
    assert (decision.action if decision else None) == action
    if decision:
        assert decision.reason == f"it uses {used} MB of memory, and its limit is 100 MB (maxMemory)"


def check(times: list[tuple[float, float, float | None]], config: HealthConfig = HEALTH) -> list[HealthDecision | None]:
    history, decisions = HealthHistory(), []
    for now, delay, cpu in times:
        history, decision = after_health_check(history, config, delay=delay, cpu=cpu, ready_seconds=now, now=now)
        decisions.append(decision)
    return decisions


def test_so_many_failed_checks_in_a_row_are_enough() -> None:
    *before, last = check([(10, 0.2, 0), (20, 0, 0), (30, 0.2, 0), (40, 0, 0.95), (50, 0.3, 0)])
    assert before == [None] * 4
    assert last == HealthDecision(
        HealthAction.REPLACE,
        "the 3 last checks failed: its event loop is 300 ms late (health.maxEventLoopDelay)",
    )


def test_looks_between_two_checks_do_not_count() -> None:
    assert check([(10 + second, 1.0, 1.0) for second in range(19)]) == [None] * 19


def test_a_young_worker_is_not_checked() -> None:
    config = HealthConfig(grace_period=100, max_unhealthy_checks=1, max_cpu=0.5)
    decisions = check([(0, 0, 1.0), (50, 0, 1.0), (100, 0, 1.0)], config)
    assert decisions == [None, None, HealthDecision(HealthAction.REPLACE, "it uses 100% of a core (health.maxELU)")]


def test_nothing_is_unhealthy_without_limits() -> None:
    assert check([(second, 100.0, 100.0) for second in range(0, 1000, 30)], HealthConfig()) == [None] * 34


def test_silence_counts_only_while_an_answer_is_awaited() -> None:
    heartbeat = HeartbeatState()
    heartbeat.passed(5)
    assert (heartbeat.silence, heartbeat.delay) == (0, 0)
    heartbeat.asked()
    heartbeat.passed(5)
    heartbeat.passed(2)
    assert (heartbeat.silence, heartbeat.delay) == (7, 7)
    heartbeat.answered(0.5, {"waiting": 3})
    heartbeat.passed(5)
    assert (heartbeat.silence, heartbeat.delay, heartbeat.awaited, heartbeat.gauges) == (0, 0.5, False, {"waiting": 3})
