"""Follows the app's files and brings each change into the running app."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup
from watchfiles import awatch

from pywatt.config.model import LogLevel, RuntimeConfig
from pywatt.dev.interest import Interest
from pywatt.errors import ConfigError, PywattError, StartError
from pywatt.supervisor.keeper import first_of
from pywatt.supervisor.supervisor import Supervisor

SETTLE = 20
"""Milliseconds without a further change after which changes are taken as one save."""
LONGEST_SETTLE = 200
LOOK_AGAIN = 60_000
"""Milliseconds after which the watcher looks at its own state though nothing changed."""

Stamp: TypeAlias = tuple[int, int, int]


class DevSession:
    """Keeps an app up to date with its files, from before it starts: a save while it starts counts as well."""

    def __init__(self, config: RuntimeConfig, *, render: Callable[[PywattError], str]) -> None:
        """`render` turns an error into text."""
        self.on_change: Callable[[], None] = lambda: None
        """Called when `outdated` may have changed."""
        self._config = config
        self._stamps: dict[Path, Stamp | None] = {}
        self._outdated: dict[str, frozenset[int]] = {}
        self._refused = False
        self._started: Supervisor | None = None
        self._attached = anyio.Event()
        self._render = render
        self._changed: dict[str, anyio.Event] = {}
        self._reloaded = anyio.Event()
        self._tasks: TaskGroup | None = None

    async def run(self) -> None:
        """Follow the files until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            while True:
                reloaded = self._reloaded
                interest = Interest(self._config)
                over = anyio.Event()
                # A new configuration may have other folders: then the watchers start anew.
                await first_of(
                    reloaded.wait,
                    partial(_set_when_cancelled, over),
                    partial(self._follow, interest, interest.folders, over, recursive=True),
                    partial(self._follow, interest, interest.config_folders, over, recursive=False),
                )

    def attach(self, app: Supervisor) -> None:
        """Apply changes to this app, which has started; those seen until now first."""
        self._started = app
        self._attached.set()

    def outdated(self, app: Supervisor) -> frozenset[str]:
        """Return the services whose newest code could not start, so that older code serves."""
        return frozenset(
            service_id
            for service_id, old in self._outdated.items()
            if service_id in app.services and any(worker.pid in old for worker in app.services[service_id].workers())
        )

    def restart(self, service_id: str) -> None:
        """Bring up new workers of the service; a restart that is under way starts over."""
        assert self._tasks is not None
        event = self._changed.get(service_id)
        if event is not None:
            event.set()
            return
        self._changed[service_id] = anyio.Event()
        self._tasks.start_soon(self._bring_up, service_id)

    async def _follow(
        self, interest: Interest, folders: tuple[Path, ...], over: anyio.Event, *, recursive: bool
    ) -> None:
        if not folders:
            await anyio.sleep_forever()
        async with aclosing(_changes(folders, over, recursive=recursive)) as changes:
            async for paths in changes:
                affected = interest.affected(self._news(path for path in paths if interest.affected([path])))
                app = await self._app()
                # A configuration that was refused because of code may be right with this code.
                wanted = affected.config or (self._refused and bool(affected.services))
                replaced = await self._reload(app) if wanted else frozenset[str]()
                for service_id in affected.services - replaced:
                    if service_id in app.services:
                        self.restart(service_id)

    def _news(self, paths: Iterable[Path]) -> list[Path]:
        """Return the files that differ from what was last seen of them: one save is often reported twice."""
        news = []
        for path in paths:
            stamp = _stamp(path)
            if path not in self._stamps or self._stamps[path] != stamp:
                news.append(path)
            self._stamps[path] = stamp
        return news

    async def _app(self) -> Supervisor:
        await self._attached.wait()
        assert self._started is not None
        return self._started

    async def _reload(self, app: Supervisor) -> frozenset[str]:
        """Have the configuration read again; return the services that run their newest code now."""
        try:
            change = await app.read_again()
        except (ConfigError, StartError) as error:
            self._refused = True
            app.say(LogLevel.ERROR, f"the new configuration is not used: {self._render(error)}")
            return frozenset()
        refused, self._refused = self._refused, False
        if refused and change.empty:
            app.say(LogLevel.INFO, "the configuration is in order again, and the same as before")
        if not change.empty:
            names = [*(f"+{one.id}" for one in change.added), *(one.id for one in change.changed)]
            names += [f"-{service_id}" for service_id in change.removed]
            app.say(LogLevel.INFO, f"the configuration was read again: {', '.join(names) or 'the public address'}")
            self._config = app.config
            self._reloaded.set()
            self._reloaded = anyio.Event()
        return frozenset(service.id for service in (*change.added, *change.changed))

    async def _bring_up(self, service_id: str) -> None:
        """Replace the service's workers, over again when there is a further change before the new ones serve."""
        again = True
        while again:
            event = self._changed[service_id] = anyio.Event()
            await first_of(event.wait, partial(self._replace, service_id))
            again = event.is_set()
        del self._changed[service_id]

    async def _replace(self, service_id: str) -> None:
        app = await self._app()
        begun = time.perf_counter()
        service = app.services.get(service_id)
        if service is None:
            return
        try:
            await service.replace()
        except StartError as error:
            serves = "the old code goes on serving" if service.serving else "nothing serves until it can"
            app.say(LogLevel.ERROR, f"{error.message}; {serves}")
            self._outdated[service_id] = frozenset(worker.pid for worker in service.workers())
            self.on_change()
        else:
            took = (time.perf_counter() - begun) * 1000
            app.say(LogLevel.INFO, f'new code of the service "{service_id}" serves after {took:.0f} ms')


def _stamp(path: Path) -> Stamp | None:
    """Return what changes with every save of a file; None: there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


async def _set_when_cancelled(event: anyio.Event) -> None:
    """Tell the watchers' threads, which no cancellation reaches, to come back."""
    try:
        await anyio.sleep_forever()
    finally:
        event.set()


async def _changes(folders: tuple[Path, ...], over: anyio.Event, *, recursive: bool) -> AsyncGenerator[set[Path]]:
    """Yield the sets of files that changed together."""
    watcher = awatch(
        *folders,
        watch_filter=None,
        debounce=LONGEST_SETTLE,
        step=SETTLE,
        rust_timeout=LOOK_AGAIN,
        stop_event=over,
        recursive=recursive,
        ignore_permission_denied=True,
    )
    async for changes in watcher:
        yield {Path(path) for _, path in changes}
