"""Compares several apps that run in turns of a second or two: one runs, the others are stopped (SIGSTOP).

A shared machine changes its speed within minutes by more than the differences to measure. Measurements seconds apart
are comparable, and start-up, the first fetches of a topic and the end of a process are outside all turns.
"""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.apps import App, AppError

SETTLE = 0.2  # seconds after an app goes on before its turn is measured
WARM = 8.0  # seconds that each app runs before the first turn: the broker, too, is slow until its code is compiled
FIRST = 60.0  # seconds within which an app must have done something
POLL = 0.1  # seconds
FASTEST = 120_000  # records/s that no app here exceeds


@dataclass(frozen=True, kw_only=True)
class Runner:
    """A running app and how far it is."""

    app: App
    count: Callable[[], int]
    """Returns the number of operations since its start."""

    def stop(self) -> None:
        """Stop the whole process tree where it is."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again."""
        self._signal(signal.SIGCONT)

    def warm_up(self, seconds: float = WARM) -> None:
        """Let it run for so long, then stop it. Raises AppError when it does nothing."""
        deadline = time.perf_counter() + FIRST
        while not self.count():
            self.app.check()
            if time.perf_counter() > deadline:
                raise AppError(f"nothing done in {FIRST:g} s\n" + "".join(self.app.output))
            time.sleep(POLL)
        time.sleep(seconds)
        self.stop()

    def measure(self, seconds: float) -> float:
        """Let it run for these seconds; return its operations per second."""
        self.go_on()
        time.sleep(SETTLE)
        begun, before = time.perf_counter(), self.count()
        time.sleep(seconds)
        after, ended = self.count(), time.perf_counter()
        self.stop()
        self.app.check()
        return (after - before) / (ended - begun)

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.app.tree():
            try:
                os.kill(pid, number)
            except ProcessLookupError:  # ended meanwhile
                continue


def records_for(turns: int, seconds: float) -> int:
    """Return how many records are enough for one app."""
    return round((WARM + (turns + 1) * (seconds + SETTLE)) * FASTEST)


def take(runners: Mapping[str, Runner], turns: int, seconds: float, records: int) -> dict[str, list[float]]:
    """Return what each warmed-up app did per second, turn by turn; every second turn in reverse order.

    All go on at the end. Raises AppError when one had come to the end of its records, for then it waited.
    """
    rates: dict[str, list[float]] = {name: [] for name in runners}
    order = list(runners)
    try:
        for _ in range(turns):
            for name in order:
                rates[name].append(runners[name].measure(seconds))
            order.reverse()
        for name, runner in runners.items():
            runner.go_on()
            if runner.count() >= records:
                raise AppError(f"{name} came to the end of its {records} records")
    finally:
        for runner in runners.values():
            runner.go_on()
    return rates


def spread(ratios: Sequence[float], form: str) -> str:
    """Return the median and the quartiles of what was compared turn by turn."""
    low, median, high = statistics.quantiles(ratios, n=4)
    return f"{median:{form}} (quartiles {low:{form}} to {high:{form}} of {len(ratios)} turns)"
