"""Follows the app's files and brings each change into the running app."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from functools import partial
from pathlib import Path

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


class DevSession:
    """Keeps an app up to date with its files, from before it starts: a save while it starts counts as well."""

    def __init__(
        self, config: RuntimeConfig, *, env_file: Path | None = None, render: Callable[[PywattError], str]
    ) -> None:
        """`env_file`: the file of variables that the command line named; `render` turns an error into text."""
        self._config = config
        self._env_file = env_file
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
                interest = Interest(self._config, self._env_file)
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
                affected = interest.affected(paths)
                app = await self._app()
                if affected.config:
                    await self._reload(app)
                for service_id in affected.services:
                    if service_id in app.services:
                        self.restart(service_id)

    async def _app(self) -> Supervisor:
        await self._attached.wait()
        assert self._started is not None
        return self._started

    async def _reload(self, app: Supervisor) -> None:
        try:
            change = await app.read_again()
        except (ConfigError, StartError) as error:
            app.say(LogLevel.ERROR, f"the new configuration is not used: {self._render(error)}")
            return
        if not change.empty:
            names = [*(f"+{one.id}" for one in change.added), *(one.id for one in change.changed)]
            names += [f"-{service_id}" for service_id in change.removed]
            app.say(LogLevel.INFO, f"the configuration was read again: {', '.join(names) or 'the public address'}")
            self._config = app.config
            self._reloaded.set()
            self._reloaded = anyio.Event()

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
        else:
            took = (time.perf_counter() - begun) * 1000
            app.say(LogLevel.INFO, f'new code of the service "{service_id}" serves after {took:.0f} ms')


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
