"""The rules of docs/workers.md, on a simulated clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pywatt.config.model import ScalingConfig, Signal, Threshold
from pywatt.supervisor.policy.scaling import DOWN_WINDOW, UP_WINDOW, Budget, Change, Load, Sample, decide, kept

TICK = 1.0
CPU = {Signal.CPU: Threshold(up=0.8, down=0.2)}
PLENTY = Budget(workers=100, memory=2**40, free_memory=2**40)


@dataclass
class Simulated:
    """A service whose work (in cores, or whatever the signal counts) is spread evenly over its workers."""

    work: Callable[[float], float]
    config: ScalingConfig = field(default_factory=lambda: ScalingConfig(maximum=8, signals=CPU))
    workers: int = 1
    id: str = "api"
    memory_each: int = 0
    samples: tuple[Sample, ...] = ()
    changed_at: float | None = None
    changes: list[tuple[float, int]] = field(default_factory=list)

    def load(self, now: float) -> Load:
        values = {signal: self.work(now) / self.workers for signal in self.config.signals}
        self.samples = kept((*self.samples, Sample(now, values)), now)
        return Load(
            id=self.id,
            config=self.config,
            workers=self.workers,
            samples=self.samples,
            changed_at=self.changed_at,
            memory=self.workers * self.memory_each,
        )

    def apply(self, change: Change, now: float) -> None:
        self.workers, self.samples, self.changed_at = change.workers, (), now
        self.changes.append((now, change.workers))


def run(services: Sequence[Simulated], seconds: float, budget: Budget = PLENTY, *, begin: float = 0.0) -> None:
    by_id = {service.id: service for service in services}
    now = begin
    while now < begin + seconds:
        for change in decide([service.load(now) for service in services], budget, now):
            by_id[change.id].apply(change, now)
        now += TICK


def test_one_worker_is_added_when_the_mean_of_ten_seconds_is_too_high() -> None:
    service = Simulated(lambda _: 0.9)
    run([service], UP_WINDOW)
    assert service.changes == []
    run([service], 60, begin=UP_WINDOW)
    assert service.changes == [(UP_WINDOW, 2)]


def test_a_short_peak_changes_nothing() -> None:
    service = Simulated(lambda now: 1.0 if 30 <= now < 37 else 0.3)
    run([service], 300)
    assert service.changes == []


def test_steps_up_keep_the_cooldown_between_them() -> None:
    service = Simulated(lambda _: 4.0)
    run([service], 300)
    times = [time for time, _ in service.changes]
    assert [workers for _, workers in service.changes] == [2, 3, 4, 5]  # at 5 the mean is 0.8, which is not too much
    assert all(later - earlier >= service.config.cooldown for earlier, later in pairwise(times))


def test_an_idle_service_gives_its_workers_back_one_after_a_minute_each() -> None:
    service = Simulated(lambda _: 0.1, workers=3)
    run([service], 4 * DOWN_WINDOW)
    assert service.changes == [(DOWN_WINDOW, 2), (2 * DOWN_WINDOW + TICK, 1)]


def test_no_worker_is_taken_away_when_the_others_would_have_too_much() -> None:
    signals = {Signal.CPU: Threshold(up=0.3, down=0.2)}
    service = Simulated(lambda _: 0.38, ScalingConfig(signals=signals), workers=2)
    run([service], 600)
    assert service.changes == []


def test_minimum_and_maximum_hold() -> None:
    busy = Simulated(lambda _: 50, ScalingConfig(minimum=2, maximum=3, signals=CPU), workers=2, id="busy")
    idle = Simulated(lambda _: 0, ScalingConfig(minimum=2, maximum=3, signals=CPU), workers=3, id="idle")
    run([busy, idle], 600)
    assert (busy.workers, idle.workers) == (3, 2)


@pytest.mark.parametrize(("workers", "expected"), [(9, 4), (1, 2)])
def test_what_is_out_of_its_bounds_goes_back_at_once(workers: int, expected: int) -> None:
    service = Simulated(lambda _: 1.0, ScalingConfig(minimum=2, maximum=4, signals=CPU), workers=workers)
    run([service], 1)
    assert service.workers == expected


def test_the_one_under_most_pressure_comes_first() -> None:
    warm = Simulated(lambda _: 0.9, id="warm")
    hot = Simulated(lambda _: 3.0, id="hot")
    run([warm, hot], UP_WINDOW + TICK)
    assert (warm.workers, hot.workers) == (1, 2)


def test_all_together_keep_to_the_total_and_an_idle_one_makes_room() -> None:
    hot = Simulated(lambda _: 9.0, workers=2, id="hot")
    idle = Simulated(lambda _: 0.0, workers=2, id="idle")
    run([hot, idle], 600, replace(PLENTY, workers=4))
    assert (hot.workers, idle.workers) == (3, 1)


@pytest.mark.parametrize(
    "budget", [replace(PLENTY, memory=250), replace(PLENTY, free_memory=99)], ids=["all together", "free"]
)
def test_no_worker_is_added_that_there_is_no_memory_for(budget: Budget) -> None:
    service = Simulated(lambda _: 9.0, workers=2, memory_each=100)
    run([service], 600, budget)
    assert service.workers == 2
    run([service], 600, begin=600)
    assert service.workers == 8


def test_any_high_signal_adds_and_all_must_be_low_to_take_away() -> None:
    signals = {Signal.CPU: Threshold(up=0.8, down=0.2), Signal.KAFKA_LAG: Threshold(up=1000, down=100)}
    load = Load(id="a", config=ScalingConfig(signals=signals), workers=2)
    times = [float(second) for second in range(int(DOWN_WINDOW) + 1)]

    def decided(cpu: float, lag: float) -> list[int]:
        samples = tuple(Sample(at, {Signal.CPU: cpu, Signal.KAFKA_LAG: lag}) for at in times)
        return [change.workers for change in decide([replace(load, samples=samples)], PLENTY, times[-1])]

    assert decided(0.1, 2000) == [3]
    assert decided(0.1, 500) == []
    assert decided(0.1, 50) == [1]


def test_the_reason_names_the_signal_and_its_bound() -> None:
    service = Simulated(lambda _: 0.9)
    loads = [service.load(float(second)) for second in range(int(UP_WINDOW) + 1)]
    [change] = decide(loads[-1:], PLENTY, UP_WINDOW)
    assert change.reason == "cpu was 0.9 over 10 s, and more than 0.8 is too much"


def test_signals_that_nobody_reports_change_nothing() -> None:
    load = Load(id="a", config=ScalingConfig(signals=CPU), workers=2)
    samples = tuple(Sample(float(second), {}) for second in range(200))
    assert decide([replace(load, samples=samples)], PLENTY, 199.0) == []


@settings(deadline=None, max_examples=60)
@given(st.floats(0, 10, allow_nan=False), st.integers(1, 8))
def test_a_steady_load_settles_and_then_nothing_changes_any_more(work: float, workers: int) -> None:
    service = Simulated(lambda _: work, workers=workers)
    settling = 8 * (DOWN_WINDOW + TICK) + 60
    run([service], settling)
    settled = list(service.changes)
    run([service], 1800, begin=settling)
    assert service.changes == settled


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.lists(st.floats(0, 20), min_size=3, max_size=3), min_size=1, max_size=30),
    st.integers(3, 10),
    st.lists(st.integers(1, 3), min_size=3, max_size=3),
)
def test_whatever_the_load_all_bounds_hold(traces: list[list[float]], total: int, minimums: list[int]) -> None:
    def work(index: int) -> Callable[[float], float]:
        return lambda now: traces[int(now / 20) % len(traces)][index]

    services = [
        Simulated(work(index), ScalingConfig(minimum=low, maximum=5, signals=CPU), workers=low, id=str(index))
        for index, low in enumerate(minimums)
    ]
    by_id = {service.id: service for service in services}
    budget = replace(PLENTY, workers=total)
    for second in range(20 * len(traces)):
        now = float(second)
        before = sum(service.workers for service in services)
        for change in decide([service.load(now) for service in services], budget, now):
            service = by_id[change.id]
            assert abs(change.workers - service.workers) == 1
            assert service.changed_at is None or now - service.changed_at >= service.config.cooldown
            service.apply(change, now)
            assert service.config.minimum <= service.workers <= 5
        assert sum(service.workers for service in services) <= max(before, total)
