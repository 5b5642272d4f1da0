"""Verdicts about single partitions: properties, and the rules one by one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka.lag.group_lag import GroupLag, PartitionLag
from pywatt_kafka.lag.verdict import (
    CALM,
    CALM_VERDICTS,
    WINDOW,
    Finding,
    LagRules,
    LagWindow,
    PartitionWindow,
    Verdict,
    gravest,
)
from pywatt_kafka.records import TopicPartition

INTERVAL = 30.0
CHECK = INTERVAL / 2
RULES = LagRules(interval=INTERVAL, threshold=100)
Lags = Sequence[tuple[int, int]]
"""Committed offset and lag at each measurement."""


def findings(lags: Iterable[tuple[int, int]], *, rules: LagRules = RULES, members: int | None = 1) -> list[Finding]:
    window = PartitionWindow(rules, "t")
    return [
        window.add(PartitionLag(committed=committed, position=committed, end=committed + lag), index * CHECK, members)
        for index, (committed, lag) in enumerate(lags)
    ]


def verdicts(lags: Iterable[tuple[int, int]], *, rules: LagRules = RULES, members: int | None = 1) -> list[Verdict]:
    return [finding.verdict for finding in findings(lags, rules=rules, members=members)]


offsets = st.integers(0, 10_000)
moving = st.lists(st.tuples(st.integers(1, 500), st.integers(0, 100)), min_size=1, max_size=50)
"""Advance since the last measurement, and lag up to the threshold."""


@given(st.lists(offsets, min_size=1, max_size=50))
def test_no_lag_is_no_alarm_whatever_the_offsets_do(committed: list[int]) -> None:
    assert set(verdicts((offset, 0) for offset in committed)) == {Verdict.OK}


@given(moving)
def test_group_that_moves_below_the_threshold_is_ok(steps: list[tuple[int, int]]) -> None:
    at, lags = 0, list[tuple[int, int]]()
    for advance, lag in steps:
        at += advance
        lags.append((at, lag))
    assert set(verdicts(lags)) == {Verdict.OK}


@given(moving, st.integers(1, 10_000), st.integers(0, 50))
def test_group_that_stays_with_records_is_stalled_within_two_intervals(
    before: list[tuple[int, int]], lag: int, growth: int
) -> None:
    at = sum(advance for advance, _ in before)
    stay = [(at + 1, lag + growth * index) for index in range(5)]
    found = verdicts([*((index, lag) for index, (_, lag) in enumerate(before)), *stay])
    assert found[-2] is Verdict.STALLED  # 45 s after the first measurement there, so 60 s after the last move at most


@given(st.lists(st.tuples(offsets, st.integers(0, 10_000)), min_size=1, max_size=60))
def test_an_alarm_ends_after_calm_measurements_and_not_before(lags: list[tuple[int, int]]) -> None:
    found = verdicts([*lags, *[(20_000, 0)] * CALM])
    assert found[-1] is Verdict.OK
    alarm = [verdict not in CALM_VERDICTS for verdict in found]
    for before, begun, after in zip([False, *alarm], alarm, alarm[1:], strict=False):
        assert before or not begun or after  # no alarm for a single measurement


def test_a_lag_that_hovers_above_the_threshold_is_falling_behind() -> None:
    found = verdicts((index, 150 + index % 2) for index in range(2 * WINDOW))
    assert found[: WINDOW - 1] == [Verdict.CATCHING_UP] * (WINDOW - 1)
    assert Verdict.FALLING_BEHIND in found[WINDOW - 1 :]


def test_a_lag_that_is_worked_off_is_none() -> None:
    assert set(verdicts((index * 10, 1000 - index * 10) for index in range(90))) == {Verdict.CATCHING_UP}


def test_nobody_reads_above_the_threshold() -> None:
    assert verdicts([(0, 101)], members=0) == [Verdict.NO_MEMBER]
    assert verdicts([(0, 100)], members=0) == [Verdict.OK]
    assert verdicts([(0, 101)], members=None) == [Verdict.CATCHING_UP]


def test_a_group_that_has_never_committed_is_stalled() -> None:
    window = PartitionWindow(RULES, "t")
    lag = PartitionLag(committed=None, position=0, end=5)
    assert [window.add(lag, index * CHECK, 1).verdict for index in range(4)] == [Verdict.OK] * 3 + [Verdict.STALLED]


def test_long_pauses_are_usual_for_a_group_that_commits_seldom() -> None:
    lags = [(index // 6, 50) for index in range(60)]  # every 90 s
    found = verdicts(lags)
    assert Verdict.STALLED in found[:30]  # it is not known yet
    assert set(found[30:]) == {Verdict.OK}
    assert verdicts([*lags, *[(59 // 6, 50)] * 10])[-1] is Verdict.STALLED


@pytest.mark.parametrize(("age", "verdict"), [(59.0, Verdict.OK), (61.0, Verdict.LATE)])
def test_time_lag(age: float, verdict: Verdict) -> None:
    window = PartitionWindow(LagRules(interval=INTERVAL, threshold=100, seconds=60.0), "t")

    def add(index: int) -> Finding:
        at = 1000.0 + index * CHECK
        lag = PartitionLag(committed=index, position=index, end=index + 1, timestamp=int((at - age) * 1000))
        return window.add(lag, at, 1)

    add(0)
    finding = add(1)
    assert (finding.verdict, finding.seconds) == (verdict, age)


def test_topics_have_thresholds_of_their_own_and_the_gravest_verdict_is_the_groups() -> None:
    window = LagWindow(LagRules(interval=INTERVAL, threshold=100, topics={"few": 5}))
    places = [TopicPartition("few", 0), TopicPartition("many", 0)]
    lag = PartitionLag(committed=0, position=0, end=6)
    found = window.add(GroupLag(group="g", known=True, members=0, partitions=dict.fromkeys(places, lag)), 0.0)
    assert [finding.verdict for finding in found.values()] == [Verdict.NO_MEMBER, Verdict.OK]
    assert gravest(found) is Verdict.NO_MEMBER
    assert gravest(window.add(GroupLag(group="g", known=True), 15.0)) is Verdict.OK
