from __future__ import annotations

from collections.abc import Collection, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.model import LogLevel
from pywatt.supervisor.monitor.service_deadlocks import PATIENCE, Cycle, DeadlockDetector, describe, find_cycle

Waits = Mapping[str, Collection[str]]


@pytest.mark.parametrize(
    ("waits", "cycle"),
    [
        ({}, None),
        ({"a": {"b"}, "b": {"c"}, "c": set()}, None),
        ({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}, None),
        ({"a": {"a"}}, ("a",)),
        ({"b": {"a"}, "a": {"b"}}, ("a", "b")),
        ({"x": {"a"}, "a": {"c"}, "c": {"b"}, "b": {"a"}}, ("a", "c", "b")),
        ({"a": {"gone"}}, None),
    ],
)
def test_circles_are_found(waits: Waits, cycle: Cycle | None) -> None:
    assert find_cycle(waits) == cycle


@given(st.dictionaries(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef"))))
def test_a_circle_consists_of_waits(waits: Waits) -> None:
    cycle = find_cycle(waits)
    if cycle is not None:
        assert len(set(cycle)) == len(cycle)
        for one, other in zip(cycle, (*cycle[1:], cycle[0]), strict=True):
            assert other in waits[one]


def test_a_circle_is_described() -> None:
    assert describe(("a",)) == 'the service "a" calls itself while it starts'
    assert describe(("a", "b")).endswith('"a" waits for "b", "b" waits for "a"')


class Watched:
    """A watch with its own clock, on waits that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: Waits = {}
        self.said: list[str] = []
        self.failed: list[Cycle] = []
        self.watch = DeadlockDetector(
            {},
            say=lambda level, text: self.said.append(f"{level.name} {text}"),
            fail=self.failed.append,
            clock=lambda: self.now,
            waits=lambda _services: self.waits,
        )

    def look(self, after: float = 0.0) -> None:
        self.now += after
        self.watch.look()


def test_a_circle_that_stands_is_told_once_and_fails_in_the_end() -> None:
    watched = Watched()
    watched.waits = {"a": {"b"}, "b": {"a"}}
    for _ in range(5):
        watched.look(after=PATIENCE / 5)
    assert watched.said == [f"{LogLevel.WARN.name} {describe(('a', 'b'))}"]
    assert watched.failed == []
    watched.look(after=PATIENCE / 5)
    assert watched.failed == [("a", "b")]
    assert set(watched.watch.seen) == {"a", "b"}
    watched.watch.started("a")
    assert set(watched.watch.seen) == {"b"}


def test_a_circle_that_was_met_in_passing_is_none() -> None:
    watched = Watched()
    for _ in range(10):
        watched.waits = {"a": {"b"}, "b": {"a"}}
        watched.look(after=PATIENCE)
        watched.waits = {"a": {"b"}}
        watched.look(after=PATIENCE)
    assert (watched.said, watched.failed, watched.watch.seen) == ([], [], {})
