"""Runs the startup, readiness and liveness probes of one worker on their schedules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from pywatt.backoff import backoff
from pywatt.config.model import ProbeConfig, ProbesConfig
from pywatt.supervisor.policy.probe_thresholds import ProbeState, after_answer

FIRST_PAUSE = 0.05
"""Seconds between the first two probes of a worker that is not ready yet; the pause then grows to the interval."""
GROWTH = 1.5

Ask = Callable[[ProbeConfig], Awaitable[str]]
"""Runs a probe once; returns the problem, or nothing."""


class ProbeRunner:
    """The probes of one worker."""

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
        """Probe a ready worker; return why its liveness probe has failed."""
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
        state = ProbeState()
        await anyio.sleep(probe.initial_delay)
        while True:
            state = after_answer(state, await self._ask(probe), probe)
            if state.passing is not None:
                return "" if state.passing else _failure(name, state)
            self._on_readiness(_not_yet(name, state))
            await anyio.sleep(probe.interval)

    async def _until_passing(self, name: str, probe: ProbeConfig) -> None:
        state, retries = ProbeState(), 0
        await anyio.sleep(probe.initial_delay)
        while True:
            state = after_answer(state, await self._ask(probe), probe)
            if state.passing:
                self._on_readiness("")
                return
            self._on_readiness(_not_yet(name, state))
            await anyio.sleep(backoff(retries, first=FIRST_PAUSE, longest=probe.interval, factor=GROWTH))
            retries += 1

    async def _until_failing(self, name: str, probe: ProbeConfig) -> str:
        state = ProbeState()
        await anyio.sleep(probe.initial_delay)
        while True:
            state = after_answer(state, await self._ask(probe), probe)
            if state.passing is False:
                return _failure(name, state)
            await anyio.sleep(probe.interval)

    async def _follow_readiness(self, probe: ProbeConfig) -> None:
        state = ProbeState(passing=True)
        while True:
            await anyio.sleep(probe.interval)
            before = state.passing
            state = after_answer(state, await self._ask(probe), probe)
            if state.passing != before:
                self._on_readiness("" if state.passing else _failure("readiness", state))


def _failure(name: str, state: ProbeState) -> str:
    times = f" {state.streak} times in a row" if state.streak > 1 else ""
    return f"its {name} probe failed{times}: {state.reason}"


def _not_yet(name: str, state: ProbeState) -> str:
    return f"its {name} probe has not passed yet{f': {state.reason}' if state.reason else ''}"
