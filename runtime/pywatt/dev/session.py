"""Follows the app's files and brings each change into the running app."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from pywatt.config.model import LogLevel, RuntimeConfig
from pywatt.dev.breakpoints import Breakpoints
from pywatt.dev.editor_port import Editors
from pywatt.dev.file_scan import modified
from pywatt.dev.restart_brake import RestartBrake
from pywatt.dev.watch_rules import WatchRules
from pywatt.dev.watcher import Watcher, wants_polling
from pywatt.errors import PywattError, StartError
from pywatt.supervisor.supervisor import Supervisor
from pywatt.wait_any import wait_any


@dataclass(slots=True)
class _Restart:
    """A restart of a service that is under way."""

    files: set[Path] = field(default_factory=set)
    """Files that it is for; none: a person asked for it."""
    pause: float = 0.0
    changed: anyio.Event = field(default_factory=anyio.Event)
    """Set when it has to begin anew."""


class DevSession:
    """Keeps an app up to date with its files, from before it starts: a save while it starts counts as well."""

    def __init__(
        self,
        config: RuntimeConfig,
        *,
        render: Callable[[PywattError], str],
        since: int,
        editors: Editors,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`render` turns an error into text; `since`: time when the configuration was read, in ns since the epoch."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when `outdated` may have changed."""
        self.breakpoints = Breakpoints()
        """The debuggers of workers that want the terminal."""
        self.editors = editors
        self._config = config
        self._outdated: dict[str, frozenset[int]] = {}
        self._refused: RuntimeConfig | None = None
        """The newest configuration, if it is not used; one that cannot be read: the one in use."""
        self._started: Supervisor | None = None
        self._attached = anyio.Event()
        self._render = render
        self._restarts: dict[str, _Restart] = {}
        self._brakes: dict[str, RestartBrake] = {}
        self._tasks: TaskGroup | None = None
        self._clock = clock
        self._warning: str | None = None
        self._watcher = Watcher(
            self._watch_rules, since=since, polling=wants_polling(os.environ), warn=partial(setattr, self, "_warning")
        )

    async def run(self) -> None:
        """Follow the files until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(_set_when_cancelled, self._watcher.over)
            async with aclosing(self._watcher.changes()) as changes:
                async for paths in changes:
                    await self._take(paths)

    def attach(self, app: Supervisor) -> None:
        """Apply changes to this app, which starts; those seen until now first."""
        self._started = app
        self._attached.set()

    def outdated(self, app: Supervisor) -> frozenset[str]:
        """Return the services whose newest code could not start, so that older code serves."""
        return frozenset(
            service_id
            for service_id, old in self._outdated.items()
            if service_id in app.services and any(worker.pid in old for worker in app.services[service_id].workers())
        )

    def restart(self, service_id: str, files: AbstractSet[Path] = frozenset(), *, pause: float = 0.0) -> None:
        """Bring up new workers of the service after a pause in seconds; a restart that is under way begins anew."""
        assert self._tasks is not None
        restart = self._restarts.get(service_id)
        if restart is None:
            restart = self._restarts[service_id] = _Restart()
            self._tasks.start_soon(self._bring_up, service_id, restart)
        restart.files |= files
        restart.pause = pause
        restart.changed.set()

    def _watch_rules(self) -> WatchRules:
        """Return the files of the app and of the configuration that waits for better code."""
        if self._refused is None:
            return WatchRules(self._config, os.environ)
        wanted = {service.id for service in self._refused.services}
        kept = [service for service in self._config.services if service.id not in wanted]
        return WatchRules(replace(self._refused, services=(*self._refused.services, *kept)), os.environ)

    async def _take(self, paths: AbstractSet[Path]) -> None:
        """Bring a set of changes into the app."""
        app = await self._app()
        if self._warning is not None:
            app.say(LogLevel.WARN, self._warning)
            self._warning = None
        changed: dict[str, set[Path]] = {}
        config = False
        for path in paths:
            affected = self._watcher.watch_rules.affected([path])
            config = config or affected.config
            for service_id in affected.services:
                changed.setdefault(service_id, set()).add(path)
        # A configuration that was refused because of code may be right with this code.
        replaced = frozenset[str]()
        if config or (self._refused is not None and changed):
            await app.settled.wait()
            replaced = await self._reload(app)
        for service_id in changed.keys() - replaced:
            if service_id in app.services:
                self._judge(app, service_id, changed[service_id])

    def _judge(self, app: Supervisor, service_id: str, files: AbstractSet[Path]) -> None:
        """Restart the service for the files, unless it writes them itself."""
        judged = self._brake(service_id).judge({file: modified(file) for file in files})
        folder = app.services[service_id].config.path
        for found, what in (
            (judged.own, "is written by each start of it: from now on, changes during a start are ignored"),
            (judged.slowed, "changes after each start of it: from now on, restarts for it wait longer and longer"),
        ):
            for file in sorted(found):
                inside = os.path.relpath(file, folder)
                fix = f'write it elsewhere, or add it to .gitignore or "watch": {{"ignore": ["{inside}"]}}'
                app.say(LogLevel.WARN, f'{inside} of the service "{service_id}" {what}; {fix}')
        if judged.files:
            self.restart(service_id, judged.files, pause=judged.pause)

    def _brake(self, service_id: str) -> RestartBrake:
        return self._brakes.setdefault(service_id, RestartBrake())

    async def _app(self) -> Supervisor:
        await self._attached.wait()
        assert self._started is not None
        return self._started

    async def _reload(self, app: Supervisor) -> frozenset[str]:
        """Reload the configuration; return the services that run their newest code now."""
        begun = time.time_ns()
        config = app.config
        try:
            config = await app.read()
            change = await app.reload(config)
        except PywattError as error:
            self._refused = config
            self._watcher.follow(self._watch_rules, begun)
            app.say(LogLevel.ERROR, f"the new configuration is not used: {self._render(error).removeprefix('error: ')}")
            return frozenset()
        refused, self._refused = self._refused, None
        if refused is not None and change.empty:
            app.say(LogLevel.INFO, "the configuration is in order again, and the same as before")
        if not change.empty:
            names = [*(f"+{one.id}" for one in change.added), *(one.id for one in change.changed)]
            names += [f"-{service_id}" for service_id in change.removed]
            app.say(LogLevel.INFO, f"the configuration was read again: {', '.join(names) or 'the public address'}")
        self._config = app.config
        self._watcher.follow(self._watch_rules, begun)
        return frozenset(service.id for service in (*change.added, *change.changed))

    async def _bring_up(self, service_id: str, restart: _Restart) -> None:
        """Replace the service's workers, over again when there is a further change before the new ones serve."""
        while restart.changed.is_set():
            restart.changed = anyio.Event()
            await wait_any(restart.changed.wait, partial(self._replace, service_id, restart))
        del self._restarts[service_id]

    async def _replace(self, service_id: str, restart: _Restart) -> None:
        app = await self._app()
        await anyio.sleep(restart.pause)
        service = app.services.get(service_id)
        if service is None:
            return
        await asyncio.wait([service.started])
        brake = self._brake(service_id)
        brake.begin(self._clock())
        begun = time.perf_counter()
        old = service.workers()
        try:
            await service.replace()
        except StartError as error:
            serves = "the old code goes on serving" if service.serving else "nothing serves until it can"
            app.say(LogLevel.ERROR, f"{error.message}; {serves}")
            self._outdated[service_id] = frozenset(worker.pid for worker in service.workers())
            self.on_change()
        else:
            for worker in old:
                worker.debuggers.quit()  # nobody else would end a request that one of them holds
            took = (time.perf_counter() - begun) * 1000
            reason = _named(restart.files, service.config.path)
            app.say(LogLevel.INFO, f'new code of the service "{service_id}" serves after {took:.0f} ms{reason}')
        brake.end(self._clock())


def _named(files: AbstractSet[Path], folder: Path) -> str:
    """Return the files that a restart was for, as the end of a sentence."""
    if not files:
        return ""
    first, *others = sorted(os.path.relpath(file, folder) for file in files)
    return f" ({first} and {len(others)} more)" if others else f" ({first})"


async def _set_when_cancelled(event: anyio.Event) -> None:
    """Tell the watcher's thread, which no cancellation reaches, to come back."""
    try:
        await anyio.sleep_forever()
    finally:
        event.set()
