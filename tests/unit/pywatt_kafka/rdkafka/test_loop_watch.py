"""An event loop that hangs is noticed after a while, and so is its return."""

from __future__ import annotations

from collections.abc import Callable

from pywatt_kafka.rdkafka.loop_watch import ASK_INTERVAL, SILENCE, LoopWatch


class Loop:
    """An event loop that runs its callbacks when the test says so, and a clock."""

    def __init__(self) -> None:
        self.now = 100.0
        self.posted: list[Callable[[], object]] = []
        self.returns = 0
        self.watch = LoopWatch(self.posted.append, came_back=self.note, clock=lambda: self.now)

    def note(self) -> None:
        self.returns += 1

    def run(self) -> None:
        for each in self.posted:
            each()
        self.posted.clear()


def test_loop_that_answers_is_asked_now_and_then_and_never_silent() -> None:
    loop = Loop()
    asked = 0
    for _ in range(100):
        loop.now += 0.1
        assert not loop.watch.is_silent()
        asked += len(loop.posted)
        loop.run()
    assert asked <= 10 / ASK_INTERVAL
    assert loop.returns == 0


def test_loop_that_hangs_is_silent_until_it_answers() -> None:
    loop = Loop()
    loop.now += ASK_INTERVAL
    assert not loop.watch.is_silent()
    loop.now += SILENCE
    assert not loop.watch.is_silent()
    loop.now += 0.1
    assert loop.watch.is_silent()
    assert len(loop.posted) == 1  # asked once
    loop.run()
    assert loop.returns == 1
    assert not loop.watch.is_silent()
