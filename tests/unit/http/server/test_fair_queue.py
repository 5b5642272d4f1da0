"""Turns of clients with pipelined requests."""

from __future__ import annotations

import pytest
from harness.fair_queue import ManualFairQueue

from pywatt.http.server.fair_queue import BUDGET, STEPS, FairQueue


class Connection:
    """Has work for this number of queue."""

    def __init__(self, queue: FairQueue, name: str, log: list[str], times: int) -> None:
        self._queue = queue
        self._name = name
        self._log = log
        self._left = times
        queue.add(self)

    def read_held(self) -> None:
        self._log.append(self._name)
        self._left -= 1
        if self._left:
            self._queue.add(self)


def test_each_gets_one_turn_after_the_other_and_the_loop_gets_one_in_between() -> None:
    queue = ManualFairQueue()
    log: list[str] = []
    Connection(queue, "a", log, 3)
    Connection(queue, "b", log, 1)
    for seen in ("ab", "aba", "abaa"):
        assert queue.give_one()
        assert "".join(log) == seen
    assert not queue.give_one()


def test_so_many_turns_are_given_in_one_of_the_loop_however_many_wait() -> None:
    queue = ManualFairQueue()
    log: list[str] = []
    for number in range(3 * STEPS):
        Connection(queue, str(number), log, 2)
    queue.give_one()
    assert log == [str(number) for number in range(STEPS)]
    queue.give_all()
    assert log == [str(number) for number in range(3 * STEPS)] * 2


def test_turns_that_take_long_are_fewer() -> None:
    due: list[object] = []
    now = 0.0

    def clock() -> float:
        nonlocal now
        now += BUDGET
        return now

    queue = FairQueue(call_soon=due.append, clock=clock)
    log: list[str] = []
    for name in "abc":
        Connection(queue, name, log, 1)
    assert len(due) == 1
    queue._give()
    assert log == ["a", "b"]
    assert len(due) == 2


def test_a_connection_that_fails_holds_up_no_other() -> None:
    class Failing:
        def read_held(self) -> None:
            raise ZeroDivisionError

    queue = ManualFairQueue()
    log: list[str] = []
    queue.add(Failing())
    Connection(queue, "a", log, 1)
    with pytest.raises(ZeroDivisionError):
        queue.give_one()
    queue.give_all()
    assert log == ["a"]
