"""Keeps one worker slot of a service filled: one incarnation after the other, until it is retired."""

from __future__ import annotations

import asyncio
import math
import signal
import traceback
from functools import partial
from typing import Protocol

import anyio

from pywatt.config.model import LogLevel, ProbeConfig, ServiceConfig
from pywatt.errors import ServiceFailed, StartError
from pywatt.supervisor.monitor.probe_runner import ProbeRunner
from pywatt.supervisor.monitor.service_deadlocks import HINT
from pywatt.supervisor.policy.restart import GiveUp, RestartHistory, after_exit
from pywatt.supervisor.process.kernel_limits import refused
from pywatt.supervisor.process.worker import Worker
from pywatt.supervisor.process.worker_factory import WorkerFactory, WorkerSpec
from pywatt.wait_any import wait_any

LAST_LINE = 300
"""Characters of a failed worker's last line of output that callers are told."""
SHORT_PAUSE = 1.0
"""Seconds before the next start of a failing worker that callers may as well wait for."""


class SlotHost(Protocol):
    """The part of a service that its slots use."""

    factory: WorkerFactory

    def worker_spec(self, config: ServiceConfig, number: int) -> WorkerSpec:
        """Return the spec of the next worker of a slot."""
        ...

    def changed(self) -> None:
        """Note that a worker's state changed."""
        ...

    def applied(self) -> None:
        """Note that a worker has applied a newer mesh table."""
        ...

    def became_ready(self, worker: Worker) -> None:
        """Take the report of a worker that got ready."""
        ...

    async def run_probe(self, worker: Worker, probe: ProbeConfig) -> str:
        """Run a probe of a worker once; return the problem, or nothing."""
        ...

    def deadlock(self) -> str:
        """Describe the start deadlock that this service is part of, or return nothing."""
        ...

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        ...

    def now(self) -> float:
        """Return the time of the supervisor's clock."""
        ...

    def random(self) -> float:
        """Return a random number in [0, 1)."""
        ...


class WorkerSlot:
    """A slot with one configuration; another configuration needs a successor, which takes over when it is ready."""

    def __init__(self, config: ServiceConfig, number: int, host: SlotHost) -> None:
        self.config = config
        self.number = number
        self.worker: Worker | None = None
        self.started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when its first worker is ready, or with the ServiceFailed that prevented it."""
        self.ended = anyio.Event()
        self.given_up: GiveUp | None = None
        """Set when the worker ended and the restart policy does not start another one."""
        self.why = ""
        """The present problem, or nothing."""
        self.crash_loop = False
        self.starting = False
        """True if its worker is being started, or will be within SHORT_PAUSE seconds."""
        self._host = host
        self._retire = anyio.Event()
        self._may_not_linger = anyio.Event()
        self._hurry = anyio.Event()
        self._recycle = anyio.Event()
        self._hold = anyio.Event()
        # Waiters get the failure; a slot that nobody waits for any more has logged it.
        self.started.add_done_callback(lambda started: started.cancelled() or started.exception())

    @property
    def serving(self) -> bool:
        """Return whether its worker takes calls."""
        return self.worker is not None and self.worker.serving

    @property
    def unready(self) -> str:
        """The reason why its probes keep callers away, while that is the only problem."""
        return self.worker.unready if self.worker is not None and self.worker.calls else ""

    async def run(self) -> None:
        """Keep the slot filled until `retire`; end early when the first worker does not get ready."""
        history = RestartHistory()
        try:
            while self._wanted():
                failure, ready_seconds, exit_code = await self._run_worker()
                if failure is None:
                    continue
                if not self.started.done():
                    self.given_up, self.why = GiveUp(failed=True), why_refused(failure, self._host.factory)
                    self.started.set_exception(failure)
                    return
                if self._hold.is_set():
                    self.why = f"{failure.message}; it is not started again, since the app stops"
                    self._host.say(LogLevel.ERROR, self.why, **self._which())
                    break
                history, decision = after_exit(
                    history,
                    self.config.restart,
                    exit_code=exit_code,
                    ready_seconds=ready_seconds,
                    now=self._host.now(),
                    random=self._host.random(),
                )
                if isinstance(decision, GiveUp):
                    self._give_up(failure, decision)
                    await self._retire.wait()
                    return
                self._host.factory.restarts[self.config.id] += 1
                self.crash_loop, self.why = decision.crash_loop, why_refused(failure, self._host.factory)
                self.starting = decision.delay <= SHORT_PAUSE
                self._announce(failure, decision.delay)
                self._hurry = anyio.Event()
                with anyio.move_on_after(decision.delay):
                    await wait_any(self._retire.wait, self._hurry.wait, self._hold.wait)
                if self._hurry.is_set():
                    history = RestartHistory()
            self._host.changed()
            await self._retire.wait()
        finally:
            if not self.started.done():
                message = f'service "{self.config.id}" was stopped before its new worker was ready'
                self.started.set_exception(ServiceFailed(self.config.id, message))
            self.starting = False
            self.ended.set()
            self._host.changed()

    def retire(self, *, linger: bool = False) -> None:
        """Stop the worker and leave the slot; `linger`: a successor serves, so connections may take their time."""
        if not linger:
            self._may_not_linger.set()
        self._retire.set()

    def hold(self) -> None:
        """Start no further worker: the app is about to stop, and this one's turn comes."""
        self._hold.set()

    def recycle(self) -> None:
        """Replace the worker, because its environment has changed."""
        self._recycle.set()

    def hurry(self) -> None:
        """End a pause before the next start, and forget earlier failures."""
        self._hurry.set()

    def kill(self) -> None:
        """End the worker at once, and the slot with it."""
        self.retire()
        if self.worker is not None:
            self.worker.kill()

    async def _run_worker(self) -> tuple[ServiceFailed | None, float, int]:
        """Run one worker to its end; return why it failed (None: told to end), how long it was ready, its exit code."""
        name = self._name()
        self._recycle = anyio.Event()
        self.worker = None
        self.starting = True
        host = self._host
        try:
            async with host.factory.open_worker(
                host.worker_spec(self.config, self.number),
                on_change=host.changed,
                on_applied=host.applied,
                clock=host.now,
                wanted=self._wanted,
            ) as worker:
                self.worker = worker
                host.changed()  # its table is as old as its spec
                limit, passed = host.factory.start_timeout, anyio.Event()
                probes = ProbeRunner(self.config.probes, partial(self._run_probe, worker), partial(self._note, worker))
                with anyio.move_on_after(limit) as starting:
                    worker.debuggers.on_change = partial(_hold_start, worker, starting, limit)
                    await wait_any(
                        partial(self._get_ready, worker, probes, passed), self._retire.wait, worker.has_exited
                    )
                if passed.is_set():
                    await wait_any(
                        partial(self._watch, worker, probes),
                        self._retire.wait,
                        self._recycle.wait,
                        worker.has_exited,
                    )
                told_to_end = self._retire.is_set() or self._recycle.is_set()
                if self._retire.is_set() and not self._may_not_linger.is_set():
                    await wait_any(partial(worker.stop, self.config.drain, linger=True), self._may_not_linger.wait)
                if told_to_end:
                    await worker.stop(self.config.shutdown)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong with one worker must not end the others
            return (self._not_started(error), 0.0, 1) if self._wanted() else (None, 0.0, 0)
        ready_seconds, status = worker.ready_seconds(), worker.exited.result()
        if told_to_end:
            return None, ready_seconds, status.code
        output = tuple(worker.output.tail)
        if starting.cancelled_caught:
            message = f"{name} did not get ready within {limit:g} s"
            if worker.ready.is_set() and worker.unready:
                message += f": {worker.unready}"
            hint = "if it just needs longer, raise startTimeout (milliseconds) in the root config file"
            if deadlock := host.deadlock():
                message, hint = f"{message}: {deadlock}", HINT
            return ServiceFailed(self.config.id, message, output=output, hint=hint), 0.0, status.code
        verb = "ended" if passed.is_set() else "failed to start"
        killed = worker.kill_reason if status.code == -signal.SIGKILL else ""  # else it ended by itself just before
        reason = killed or ("it returned by itself (exit status 0)" if status.code == 0 else str(status))
        deadlock = "" if passed.is_set() else host.deadlock()
        if deadlock and deadlock not in reason:
            reason += f"; {deadlock}"
        hint = HINT if deadlock else ""
        failure = ServiceFailed(self.config.id, f"{name} {verb}: {reason}", output=output, hint=hint)
        return failure, ready_seconds, status.code

    def _wanted(self) -> bool:
        """Return whether a worker is to be started."""
        return not self._retire.is_set() and not self._hold.is_set()

    def _name(self) -> str:
        name = f'service "{self.config.id}"'
        return f"{name} (worker {self.number})" if self.config.workers > 1 else name

    def _not_started(self, error: Exception) -> ServiceFailed:
        """Return the failure for an error of the supervisor's own."""
        if isinstance(error, OSError):
            error = refused("the kernel refuses what it needs", error)
        if isinstance(error, StartError):
            message = f"{self._name()} cannot be started: {error.message}"
            return ServiceFailed(self.config.id, message, hint=error.hint)
        trace = traceback.format_exception(error)
        message = f"{self._name()} failed, since pywatt itself did: {type(error).__name__}: {error}"
        return ServiceFailed(self.config.id, message, output="".join(trace).splitlines())

    async def _run_probe(self, worker: Worker, probe: ProbeConfig) -> str:
        """Run a probe, unless a debugger holds the worker."""
        problem = "" if worker.debuggers.hold else await self._host.run_probe(worker, probe)
        return "" if worker.debuggers.hold else problem

    async def _get_ready(self, worker: Worker, probes: ProbeRunner, passed: anyio.Event) -> None:
        """Return when the worker is ready and its probes pass, or with a reason to kill it."""
        await worker.ready.wait()
        worker.kill_reason = await probes.get_ready()
        if worker.kill_reason:
            return
        passed.set()
        self.starting = False
        self.why = worker.unready = ""
        self._host.became_ready(worker)
        if not self.started.done():
            self.started.set_result(None)

    async def _watch(self, worker: Worker, probes: ProbeRunner) -> None:
        """Return when its liveness probe has failed, with a reason to kill the worker."""
        failure = await probes.watch()
        worker.kill_reason = worker.kill_reason or failure

    def _note(self, worker: Worker, unready: str) -> None:
        """Take the result of the readiness probe."""
        changed, worker.unready = bool(worker.unready) is not bool(unready), unready
        if changed and self.started.done():
            name = f'worker {self.number} of the service "{self.config.id}"'
            if unready:
                self._host.say(LogLevel.WARN, f"{name} is not ready: {unready}", **self._which())
            else:
                self._host.say(LogLevel.INFO, f"{name} is ready again", **self._which())
        self._host.changed()

    def _give_up(self, failure: ServiceFailed, decision: GiveUp) -> None:
        self.given_up, self.starting = decision, False
        if decision.failed:
            self.why = f"{failure.message}; its restart policy leaves it at that"
            self._host.say(LogLevel.ERROR, self.why, **self._which())
        else:
            self._host.say(LogLevel.INFO, f'the service "{self.config.id}" has done its work', **self._which())
        self._host.changed()

    def _announce(self, failure: ServiceFailed, delay: float) -> None:
        when = f"in {delay:.1f} s" if delay else "now"
        loop = " (crash loop)" if self.crash_loop else ""
        fix = f" (fix: {failure.hint})" if failure.hint else ""
        message = f"{failure.message}{fix}; starting it again {when}{loop}"
        self._host.say(LogLevel.ERROR, message, **self._which())
        self._host.changed()

    def _which(self) -> dict[str, object]:
        """Return the fields that name the process in a log line."""
        return {} if self.worker is None else {"child": self.worker.pid}


def why_refused(failure: ServiceFailed, factory: WorkerFactory) -> str:
    """Return why callers are refused; in development with the last line of output, which may tell secrets."""
    last = next((line.strip() for line in reversed(failure.output) if line.strip()), "")
    if not last or factory.production:
        return failure.message
    return f"{failure.message}: {last[:LAST_LINE]}"


def _hold_start(worker: Worker, starting: anyio.CancelScope, limit: float | None) -> None:
    """Stop the time of a start while a debugger holds the worker; it begins anew afterwards."""
    starting.deadline = math.inf if limit is None or worker.debuggers.hold else anyio.current_time() + limit
