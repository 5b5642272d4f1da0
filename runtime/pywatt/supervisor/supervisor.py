"""The whole app: services started in the order of their dependencies, changed in place, stopped in reverse."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import random
import socket
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from anyio.abc import TaskGroup

from pywatt.config.environment import url_variable
from pywatt.config.model import LogLevel, RuntimeConfig, ServerConfig, ServiceConfig
from pywatt.errors import PywattError, ServiceFailed, StartError
from pywatt.http.tls.options import TlsOptions
from pywatt.logs.lines import LogRecord
from pywatt.mesh.table import MeshTable
from pywatt.supervisor.fallback_server import FallbackServer
from pywatt.supervisor.monitor.monitor import Monitor
from pywatt.supervisor.monitor.service_deadlocks import DeadlockDetector
from pywatt.supervisor.policy.config_diff import ConfigDiff, config_diff
from pywatt.supervisor.policy.stop_order import stop_levels
from pywatt.supervisor.process.entrance import Entrance, open_entrance
from pywatt.supervisor.process.kernel_limits import raise_open_files_limit, refused
from pywatt.supervisor.process.output import now_ms
from pywatt.supervisor.process.sockets import LOOPBACK, open_loopback, stop_listening
from pywatt.supervisor.process.worker_factory import WorkerFactory
from pywatt.supervisor.publication import Publication
from pywatt.supervisor.service import Service


class Supervisor:
    """A running app. `run_app` makes and runs it."""

    def __init__(
        self,
        config: RuntimeConfig,
        factory: WorkerFactory,
        *,
        read_config: Callable[[], RuntimeConfig],
        clock: Callable[[], float],
        rng: random.Random,
    ) -> None:
        """Bind the app's sockets. Raises StartError."""
        self.config = config
        self.services: dict[str, Service] = {}
        self.failure: BaseException | None = None
        """The ServiceFailed that prevented the start of the app."""
        self._read_config = read_config
        self._factory = factory
        self.log, self.production = factory.log, factory.production
        self._tasks: TaskGroup | None = None
        self._clock = clock
        self._rng = rng
        self._entrance = open_entrance(config)
        self._loopbacks: dict[str, socket.socket] = {}
        self.reserved: dict[str, socket.socket] = {}  # by service of pywatt's own: its socket, not one on loopback
        self._exports: dict[str, str] = {}
        self.variables_for: Callable[[ServiceConfig], Mapping[str, str]] = lambda _service: {}
        self.mesh = Publication(self.services)
        self.settled = anyio.Event()
        """Set once every service has started."""
        self._reloading = asyncio.Lock()
        self._made = 0
        self._listeners: dict[str, socket.socket] = {}
        self.on_start: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """Run beside the app's services from their start on."""
        self.on_tick: list[Callable[[TaskGroup], None]] = []
        """Called at every tick of the monitor, with a task group for longer work."""
        self.on_reload: list[Callable[[], None]] = []  # called when another configuration applies
        self.deadlocks = DeadlockDetector(self.services, say=self.say, clock=clock)
        try:
            for service in config.services:
                self._add(service)
        except OSError as error:
            raise refused("cannot open a socket for each service", error) from error
        self.mesh.flush()

    @property
    def url(self) -> str | None:
        """The URL of the app; None: it has no entrypoint."""
        return self._entrance.url(self.config.server)

    # The life of the app.

    async def start(self, tasks: TaskGroup) -> None:
        """Start every service; return when all are ready, or when one has failed, which `failure` then tells.

        Services run as `tasks` until `stop`.
        """
        self._tasks = tasks
        tasks.start_soon(Monitor(self, self._clock).run)
        tasks.start_soon(FallbackServer(self.mesh, self._sockets_of, self._tls, self._clock).run)
        tasks.start_soon(self.deadlocks.run, lambda: self.mesh.updated)
        services = list(self.services.values())
        for service in services:
            self._run(service)
        for companion in self.on_start:
            tasks.start_soon(companion)
        # Services that nothing holds back ask for their forks first; what the others need is imported after those.
        await anyio.lowlevel.checkpoint()
        for service in services:
            await self._factory.forkserver.preload(service.config.preload)
        self.failure = await _first_failure(services)
        self.mesh.starting = False
        told = self.mesh.versions
        message = (
            f"{len(services)} services have started; the mesh table took {told.messages} messages, {told.bytes} bytes"
        )
        self.say(LogLevel.DEBUG, message, tableMessages=told.messages, tableBytes=told.bytes)
        if self.failure is None:
            self.settled.set()

    async def stop(self) -> None:
        """Stop the services, callers before callees, within the limit of the whole app; then kill the rest."""
        self.mesh.stopping = True
        for service in self.services.values():
            service.hold()
        with anyio.move_on_after(self.config.shutdown.runtime):
            configs = [service.config for service in self.services.values() if service.config.id not in self._listeners]
            # Services of pywatt's own last: they tell of the stop.
            own = tuple(service_id for service_id in self._listeners if service_id in self.services)
            for level in (*stop_levels(configs, self.config.entrypoint), own):
                async with anyio.create_task_group() as stops:
                    for service_id in level:
                        stops.start_soon(self.services[service_id].stop)
        self.kill()

    def kill(self) -> None:
        """End every worker at once."""
        for service in self.services.values():
            service.kill()

    def close(self) -> None:
        """Close the app's sockets."""
        for sock in (*self._loopbacks.values(), *self.reserved.values(), *self._listeners.values()):
            sock.close()
        self._entrance.close()

    async def read_again(self) -> ConfigDiff:
        """Read the configuration again and apply it. Raises PywattError; the app then goes on as it was."""
        return await self.reload(await self.read())

    async def read(self) -> RuntimeConfig:
        """Read the configuration again, without applying it. Raises PywattError."""
        with self._translated():
            return await anyio.to_thread.run_sync(self._read_config)

    async def reload(self, config: RuntimeConfig) -> ConfigDiff:
        """Apply a new configuration to the running app without a gap.

        Raises StartError when an address cannot be bound or a service does not get ready; changes made until
        then are undone, and the app goes on as it was.
        """
        async with self._reloading:
            with self._translated():
                return await self._apply(config)

    async def _apply(self, config: RuntimeConfig) -> ConfigDiff:
        change = config_diff(self.config, config)
        old, old_entrance = self.config, self._entrance
        undo: list[ServiceConfig] = []
        raise_open_files_limit(config)
        self._entrance = open_entrance(config, old=old, now=old_entrance)
        self.config = config
        try:
            await self._start_added(change.added)
            for service in change.changed:
                undo.append(old.service(service.id))
                await self.services[service.id].replace(service)
        except BaseException:
            self.config, new_entrance = old, self._entrance
            self._entrance = old_entrance
            with anyio.CancelScope(shield=True):
                await self._undo(undo[:-1], change.added)
            # One that could not be changed back either is to be changed by the next reload.
            services = tuple(self.services[service.id].config for service in old.services)
            self.config = dataclasses.replace(old, services=services)
            new_entrance.close(but=old_entrance)
            raise
        for service_id in change.removed:
            await self._remove(service_id)
        old_entrance.close(but=self._entrance)
        for listener in self.on_reload:
            listener()
        return change

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Raise PywattError for any error: a reload must never end a running app."""
        try:
            yield
        except PywattError:
            raise
        except OSError as error:
            raise refused("the configuration cannot be applied", error) from error
        except Exception as error:
            trace = "".join(traceback.format_exception(error))
            self.say(LogLevel.ERROR, f"the configuration cannot be applied, since pywatt itself failed:\n{trace}")
            raise StartError(f"pywatt itself failed: {type(error).__name__}: {error}") from error

    async def park(self, service_ids: Sequence[str]) -> list[str]:
        """Stop services until they are started again; return the ids of the stopped ones."""
        async with self._reloading:
            wanted = [service_id for service_id in service_ids if not self.services[service_id].parked]
            async with anyio.create_task_group() as stops:
                for service_id in wanted:
                    stops.start_soon(self.services[service_id].park)
            for service_id in wanted:
                # Nobody accepts: connections must be refused, not wait in the backlog.
                for listener in self._sockets_of(service_id):
                    stop_listening(listener)
                self.mesh.changed(service_id)
            return wanted

    async def resume(self, service_ids: Sequence[str]) -> list[str]:
        """Start stopped services with their dependencies; return the ids of the started ones. Raises ServiceFailed."""
        async with self._reloading:
            wanted = self._parked_before(service_ids)
            services = []
            for service_id in wanted:
                for listener in self._sockets_of(service_id):
                    listener.listen(self.config.server.backlog)
                services.append(self._make(self.services[service_id].config))
            for service in services:
                self._run(service)
            failure = await _first_failure(services)
            if failure is not None:
                for service in services:
                    await service.park()
                raise failure
            return wanted

    def _parked_before(self, service_ids: Sequence[str]) -> list[str]:
        """Return the stopped ones of some services and of all that they depend on, in an order to start them in."""
        found: dict[str, None] = {}

        def visit(service_id: str) -> None:
            service = self.services[service_id]
            for dependency in service.config.dependencies:
                visit(dependency)
            if service.parked:
                found[service_id] = None

        for service_id in service_ids:
            visit(service_id)
        return list(found)

    def _sockets_of(self, service_id: str) -> list[socket.socket]:
        return [self._loopbacks[service_id], *self._entrance_of(service_id).sockets]

    def _tls(self, listener: socket.socket) -> TlsOptions | None:
        return self.config.server.https if listener is self._entrance.public else None

    def _entrance_of(self, service_id: str) -> Entrance:
        return self._entrance if service_id == self.config.entrypoint else Entrance(self._listeners.get(service_id))

    async def add_own(self, config: ServiceConfig, listener: socket.socket) -> bool:
        """Run a service of pywatt's own beside the app's, with a listening socket as its public one.

        Returns whether it got ready: if not, the app goes on without it.
        """
        self._listeners[config.id] = listener
        service = self._add(config)
        self.mesh.flush()
        self._run(service)
        await asyncio.wait([service.started])
        failure = service.started.exception()
        if failure is not None and not self.mesh.stopping:
            self.say(LogLevel.WARN, f"{failure}; going on without it")
        return failure is None

    async def rebind_own(self, config: ServiceConfig, listener: socket.socket) -> None:
        """Move a service of pywatt's own to another socket. Raises ServiceFailed."""
        old, self._listeners[config.id] = self._listeners[config.id], listener
        try:
            if not self.services[config.id].ended.is_set():
                await self.services[config.id].replace()
                return
            await self._remove(config.id)
            if not await self.add_own(config, listener):
                raise ServiceFailed(config.id, f'service "{config.id}" did not get ready')
        finally:
            old.close()

    # What services need.

    def environment(self, service: ServiceConfig) -> Mapping[str, str]:
        """Return the environment for a new worker of the service."""
        urls = {
            url_variable(other.config.id): f"http://{LOOPBACK}:{other.port}"
            for other in self.services.values()
            if not other.config.internal
        }
        own = self.variables_for(service)
        return {"BASE_PATH": service.public_path or "/", **urls, **own, **service.env, **self._exports}

    def entry(self, service: ServiceConfig) -> tuple[Entrance, str, ServerConfig]:
        """Return the sockets if this service is the entrypoint, the base path, and the server block."""
        server = self.config.server
        if service.id != self.config.entrypoint:  # whose private key is nobody else's business
            server = dataclasses.replace(server, https=None)
        return self._entrance_of(service.id), self.config.base_path, server

    def table(self) -> MeshTable:
        """Return the newest mesh table."""
        return self.mesh.versions.table

    def exported(self, service: ServiceConfig, variables: Mapping[str, str]) -> None:
        """Take a ready worker's variables; services that run with other values are started anew."""
        stale = any(self._exports.get(name, value) != value for name, value in variables.items())
        self._exports.update(variables)
        if stale:
            self.say(LogLevel.WARN, f'"{service.id}" is back with other settings: services that use it start anew')
            for other in self.services.values():
                if service.id in other.config.dependencies:
                    other.recycle()

    def say(self, level: LogLevel, message: str, **extra: object) -> None:
        """Write a line of the supervisor's own into the log."""
        self.log(LogRecord(level=level, time=now_ms(), name="pywatt", msg=message, pid=os.getpid(), extra=extra))

    # Services that come and go.

    def _add(self, config: ServiceConfig) -> Service:
        self._loopbacks[config.id] = self.reserved[config.id].dup() if config.id in self.reserved else open_loopback()
        return self._make(config)

    def _make(self, config: ServiceConfig) -> Service:
        self._made += 1
        self.mesh.changed(config.id)
        service = self.services[config.id] = Service(
            config,
            index=self._made,
            factory=self._factory,
            app=self,
            loopback=self._loopbacks[config.id],
            reserved=config.id in self.reserved,
            clock=self._clock,
            rng=self._rng,
        )
        return service

    def _run(self, service: Service) -> None:
        assert self._tasks is not None
        dependencies = [self.services[service_id].started for service_id in service.config.dependencies]
        self._tasks.start_soon(service.run, dependencies)

    async def _start_added(self, added: Sequence[ServiceConfig]) -> None:
        services: list[Service] = []
        try:
            services.extend(map(self._add, added))
        except OSError as error:
            for service in services:
                self._forget(service.config.id)
            raise refused("cannot open a socket for each new service", error) from error
        self.mesh.flush()
        for service in services:
            self._run(service)
        failure = await _first_failure(services)
        if failure is not None:
            raise failure

    async def _undo(self, replaced: Sequence[ServiceConfig], added: Sequence[ServiceConfig]) -> None:
        for config in reversed(replaced):
            try:
                await self.services[config.id].replace(config)
            except ServiceFailed as error:
                self.say(LogLevel.ERROR, f"{error.message}; its new configuration goes on serving")
        for config in reversed(added):
            if config.id in self.services:
                await self._remove(config.id)

    async def _remove(self, service_id: str) -> None:
        service = self.services.pop(service_id)
        await self.mesh.drained(self.mesh.publish(service_id))
        await service.stop()
        self._forget(service_id)

    def _forget(self, service_id: str) -> None:
        self.services.pop(service_id, None)
        self._loopbacks.pop(service_id).close()


async def _first_failure(services: Sequence[Service]) -> BaseException | None:
    """Wait until all services have started or one has failed; return its failure."""
    if not services:
        return None
    done, _ = await asyncio.wait([service.started for service in services], return_when=asyncio.FIRST_EXCEPTION)
    return next((error for future in done if (error := future.exception())), None)
