"""Asks one worker what its service's probes ask, and says what the answers amount to."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anyio

from pywatt.config.model import ProbeConfig, ProbesConfig

FIRST_PAUSE = 0.05
"""Seconds between the first two questions to a worker that is not ready yet; then the pause grows to the interval."""
GROWTH = 1.5

Ask = Callable[[ProbeConfig], Awaitable[str]]
"""Asks once; returns what is wrong, or nothing."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe's answers amount to."""

    passing: bool | None = None
    """None: not enough answers yet."""
    streak: int = 0
    """So many answers in a row, the last one included, were like it."""
    reason: str = ""
    """What the last answer said is wrong."""


def after_answer(verdict: Verdict, reason: str, probe: ProbeConfig) -> Verdict:
    """Return the verdict after one more answer (pure); `reason`: what is wrong, or nothing."""
    alike = bool(verdict.reason) == bool(reason) and verdict.streak
    streak = verdict.streak + 1 if alike else 1
    passing = verdict.passing
    if streak >= (probe.failure_threshold if reason else probe.success_threshold):
        passing = not reason
    return Verdict(passing, streak, reason)


class Probes:
    """Those of one worker."""

    def __init__(self, config: ProbesConfig, ask: Ask, on_readiness: Callable[[str], None]) -> None:
        """`on_readiness` is called with why the worker is not ready, or with nothing when it is."""
        self._config = config
        self._ask = ask
        self._on_readiness = on_readiness

    async def get_ready(self) -> str:
        """Return once the worker has passed for the first time, or with why its startup probe has failed."""
        if self._config.startup is not None:
            failure = await self._until_decided("startup", self._config.startup)
            if failure:
                return failure
        if self._config.readiness is not None:
            await self._until_passing("readiness", self._config.readiness)
        return ""

    async def watch(self) -> str:
        """Go on asking a ready worker; return why its liveness probe has failed."""
        failure = ""
        async with anyio.create_task_group() as tasks:
            if self._config.readiness is not None:
                tasks.start_soon(self._follow_readiness, self._config.readiness)
            if self._config.liveness is None:
                await anyio.sleep_forever()
            else:
                failure = await self._until_failing("liveness", self._config.liveness)
            tasks.cancel_scope.cancel()
        return failure

    async def _until_decided(self, name: str, probe: ProbeConfig) -> str:
        verdict = Verdict()
        await anyio.sleep(probe.initial_delay)
        while True:
            verdict = after_answer(verdict, await self._ask(probe), probe)
            if verdict.passing is not None:
                return "" if verdict.passing else _failure(name, verdict)
            self._on_readiness(_not_yet(name, verdict))
            await anyio.sleep(probe.interval)

    async def _until_passing(self, name: str, probe: ProbeConfig) -> None:
        verdict, pause = Verdict(), FIRST_PAUSE
        await anyio.sleep(probe.initial_delay)
        while True:
            verdict = after_answer(verdict, await self._ask(probe), probe)
            if verdict.passing:
                self._on_readiness("")
                return
            self._on_readiness(_not_yet(name, verdict))
            await anyio.sleep(min(pause, probe.interval))
            pause *= GROWTH

    async def _until_failing(self, name: str, probe: ProbeConfig) -> str:
        verdict = Verdict()
        await anyio.sleep(probe.initial_delay)
        while True:
            verdict = after_answer(verdict, await self._ask(probe), probe)
            if verdict.passing is False:
                return _failure(name, verdict)
            await anyio.sleep(probe.interval)

    async def _follow_readiness(self, probe: ProbeConfig) -> None:
        verdict = Verdict(passing=True)
        while True:
            await anyio.sleep(probe.interval)
            before = verdict.passing
            verdict = after_answer(verdict, await self._ask(probe), probe)
            if verdict.passing != before:
                self._on_readiness("" if verdict.passing else _failure("readiness", verdict))


def _failure(name: str, verdict: Verdict) -> str:
    times = f" {verdict.streak} times in a row" if verdict.streak > 1 else ""
    return f"its {name} probe failed{times}: {verdict.reason}"


def _not_yet(name: str, verdict: Verdict) -> str:
    return f"its {name} probe has not passed yet{f': {verdict.reason}' if verdict.reason else ''}"
