from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pywatt.dev.restart_brake import AFTER_PAUSES, DURING_PAUSES, SOON, Judgement, RestartBrake

STATE, CODE = Path("state.json"), Path("app.py")
START = 0.5
"""Seconds that a start takes here."""


def start(brake: RestartBrake, now: float) -> None:
    brake.begin(now)
    brake.end(now + START)


def find_out(brake: RestartBrake, file: Path) -> float:
    """Write the file in enough starts that it counts as the service's own; return the time."""
    for number in range(len(DURING_PAUSES) + 1):
        start(brake, number)
        brake.judge({file: number + 0.1})
    return float(len(DURING_PAUSES) + 1)


def test_a_save_between_starts_restarts_at_once_however_often() -> None:
    brake = RestartBrake()
    for number in range(20):
        start(brake, number * 10)
        assert brake.judge({CODE: number * 10 + START + SOON + 0.1}) == Judgement(frozenset({CODE}))


def test_a_file_that_every_start_writes_is_found_out_and_left_alone() -> None:
    brake = RestartBrake()
    judged = []
    for number in range(30):
        start(brake, number)
        judged.append(brake.judge({STATE: number + 0.1}))
    restarts = len(DURING_PAUSES)
    assert [one.pause for one in judged[:restarts]] == list(DURING_PAUSES)
    assert judged[restarts].own == {STATE}
    assert not any(one.files for one in judged[restarts:])


def test_a_file_that_follows_every_start_restarts_more_and_more_slowly() -> None:
    brake = RestartBrake()
    pauses, slowed = [], 0
    for number in range(20):
        start(brake, number * 100)
        judged = brake.judge({STATE: number * 100 + START + 0.1})
        assert judged.files == {STATE}
        pauses.append(judged.pause)
        slowed += len(judged.slowed)
    assert pauses == [*AFTER_PAUSES, *[AFTER_PAUSES[-1]] * (20 - len(AFTER_PAUSES))]
    assert slowed == 1


def test_a_save_of_another_file_during_a_start_still_counts() -> None:
    brake = RestartBrake()
    now = find_out(brake, STATE)
    brake.begin(now)
    judged = brake.judge({STATE: now + 0.1, CODE: now + 0.1})
    assert judged == Judgement(frozenset({CODE}))


def test_a_person_may_change_a_file_of_the_service_s_own() -> None:
    brake = RestartBrake()
    now = find_out(brake, STATE)
    start(brake, now)
    assert not brake.judge({STATE: now + 0.1}).files
    assert brake.judge({STATE: now + START + SOON + 0.1}).files == {STATE}


def test_a_start_without_a_change_ends_the_row() -> None:
    brake = RestartBrake()
    for number in range(10):
        brake.begin(number)
        assert brake.judge({CODE: number + 0.1}).pause == 0
        start(brake, number + 0.5)


def test_several_saves_during_one_start_count_once() -> None:
    brake = RestartBrake()
    brake.begin(0)
    for number in range(10):
        assert brake.judge({CODE: float(number)}).files == {CODE}


def test_a_file_that_is_gone_or_was_moved_here_counts() -> None:
    brake = RestartBrake()
    brake.begin(1_000)
    assert brake.judge({CODE: None, STATE: 3.0}) == Judgement(frozenset({CODE, STATE}))


@given(st.lists(st.tuples(st.sampled_from(["begin", "end", "save"]), st.floats(0, 3)), max_size=60))
def test_a_save_outside_a_start_is_never_ignored(steps: list[tuple[str, float]]) -> None:
    brake = RestartBrake()
    now = 100.0
    begun, ended = 0.0, 0.0
    for step, pause in steps:
        now += pause
        if step == "begin":
            brake.begin(now)
            begun, ended = now, float("inf")
        elif step == "end":
            brake.end(now)
            ended = now
        else:
            judged = brake.judge({CODE: now})
            assert judged.files == {CODE} or begun <= now <= ended
            assert judged.pause == 0 or now <= ended + SOON
