"""The soak test's checks find violations."""

from __future__ import annotations

import dataclasses

import pytest
from harness.soak_check import Disturbance, Run, Seen

A, B, C = (0, 0), (0, 1), (0, 2)

GOOD = Run(
    written={A: b"k", B: b"k", C: b"l"},
    poisonous=frozenset({C}),
    seen=[Seen(1.0, A, 1, 500), Seen(1.1, C, 1, 503), Seen(2.0, A, 2, 200), Seen(2.1, B, 1, 200), Seen(2.2, C, 2, 503)],
    letters={C: 2},
    disturbances=[Disturbance("kill", 50.0, 51.0)],
    attempts=2,
    committed_after=1.0,
)


def check(**changes: object) -> list[str]:
    return dataclasses.replace(GOOD, problems=[], **changes).check()  # type: ignore[arg-type]


def test_nothing_is_wrong_with_a_good_run() -> None:
    assert check() == []
    assert GOOD.repeated == 0


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"written": {**GOOD.written, (1, 0): b"m"}}, "1 lost: [(1, 0)]"),
        ({"letters": {C: 2, (7, 0): 2}}, "1 not in the topic"),
        ({"poisonous": frozenset({B, C})}, "1 poisonous and without a dead letter: [(0, 1)]"),
        ({"seen": [Seen(0.5, B, 1, 200), *GOOD.seen]}, "1 out of order: [(0, 1)]"),
        ({"seen": [*GOOD.seen, Seen(48.0, A, 2, 200)]}, "1 repeated without cause: [(0, 0)]"),
        ({"seen": [*GOOD.seen, Seen(2.3, C, 3, 503)]}, "1 more attempts than allowed: [(0, 2)]"),
        ({"seen": [*GOOD.seen, *[Seen(2.3, C, 2, 503)] * 2]}, "1 more requests than attempts and disturbances"),
        ({"letters": {C: 1}}, "1 dead letters after another number of attempts: [(0, 2)]"),
    ],
)
def test_problem_is_found(changes: dict[str, object], problem: str) -> None:
    found = check(**changes)
    assert any(each.startswith(problem) for each in found), found


def test_what_was_taken_just_before_a_disturbance_may_come_again() -> None:
    seen = [*GOOD.seen[:3], Seen(49.5, B, 1, 200), Seen(52.0, B, 1, 200), GOOD.seen[4]]
    assert check(seen=seen) == []
    assert dataclasses.replace(GOOD, seen=seen).repeated == 1
