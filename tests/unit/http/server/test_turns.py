"""Turns of clients with pipelined requests."""

from __future__ import annotations

import pytest
from harness.turns import ManualTurns

from pywatt.http.server.turns import BUDGET, STEPS, Turns


class Connection:
    """Has work for this number of turns."""

    def __init__(self, turns: Turns, name: str, log: list[str], times: int) -> None:
        self._turns = turns
        self._name = name
        self._log = log
        self._left = times
        turns.add(self)

    def take_turn(self) -> None:
        self._log.append(self._name)
        self._left -= 1
        if self._left:
            self._turns.add(self)


def test_each_gets_one_turn_after_the_other_and_the_loop_gets_one_in_between() -> None:
    turns = ManualTurns()
    log: list[str] = []
    Connection(turns, "a", log, 3)
    Connection(turns, "b", log, 1)
    for seen in ("ab", "aba", "abaa"):
        assert turns.give_one()
        assert "".join(log) == seen
    assert not turns.give_one()


def test_so_many_turns_are_given_in_one_of_the_loop_however_many_wait() -> None:
    turns = ManualTurns()
    log: list[str] = []
    for number in range(3 * STEPS):
        Connection(turns, str(number), log, 2)
    turns.give_one()
    assert log == [str(number) for number in range(STEPS)]
    turns.give_all()
    assert log == [str(number) for number in range(3 * STEPS)] * 2


def test_turns_that_take_long_are_fewer() -> None:
    due: list[object] = []
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += BUDGET
        return now

    turns = Turns(call_soon=due.append, clock=clock)
    log: list[str] = []
    for name in "abc":
        Connection(turns, name, log, 1)
    assert len(due) == 1
    turns._give()
    assert log == ["a", "b"]
    assert len(due) == 2


def test_a_connection_that_fails_holds_up_no_other() -> None:
    class Failing:
        def take_turn(self) -> None:
            raise ZeroDivisionError

    turns = ManualTurns()
    log: list[str] = []
    turns.add(Failing())
    Connection(turns, "a", log, 1)
    with pytest.raises(ZeroDivisionError):
        turns.give_one()
    turns.give_all()
    assert log == ["a"]
