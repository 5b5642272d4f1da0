"""Runs an app from its first socket to its last process."""

from __future__ import annotations

import os
import random
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
from anyio.abc import TaskGroup

from pywatt import __version__
from pywatt.config.model import LogLevel, RuntimeConfig, ServerConfig, ServiceConfig
from pywatt.control import metadata
from pywatt.control.control_service import CONTROL_ID, control_service
from pywatt.control.dashboard_address import dashboard_url, telemetry_variables
from pywatt.control.options import DashboardRun, dashboard_run
from pywatt.control.runtime_folder import RuntimeFolder, runtime_folder
from pywatt.errors import ServiceFailed
from pywatt.logs.backpressure import OutputBackpressure
from pywatt.supervisor.commands import Commands
from pywatt.supervisor.folder_repair import FolderRepair
from pywatt.supervisor.process.debuggers import Attend
from pywatt.supervisor.process.forkserver import Forkserver
from pywatt.supervisor.process.kernel_limits import raise_open_files_limit, refused
from pywatt.supervisor.process.output import Log, PrintRaw, now_ms
from pywatt.supervisor.process.reaper import ExitStatus, open_reaper
from pywatt.supervisor.process.sockets import open_endpoint, open_public
from pywatt.supervisor.process.worker_factory import WorkerFactory
from pywatt.supervisor.service import Service
from pywatt.supervisor.supervisor import Supervisor
from pywatt.wait_any import wait_any
from pywatt.worker.process.descendant_mark import end_marked, is_of_app
from pywatt.worker.process.prctl import adopt_orphans


async def run_app(
    config: RuntimeConfig,
    forkserver: Forkserver,
    log: Log,
    backpressure: OutputBackpressure,
    *,
    production: bool,
    stop: anyio.Event,
    force: anyio.Event,
    read_config: Callable[[], RuntimeConfig],
    accompany: Callable[[Supervisor], Coroutine[Any, Any, None]],
    attend: Attend | None = None,
    print_raw: PrintRaw | None = None,
    clock: Callable[[], float] = time.monotonic,
    rng: random.Random | None = None,
) -> None:
    """Run the app until `stop` is set, then stop it gracefully; setting `force` as well kills the rest.

    `read_config` reads the configuration again, for a reload. `accompany` runs beside the app, from start to end.
    `attend` serves debuggers, where there is a terminal. `print_raw` takes what services print that is no record.
    Raises StartError when an address cannot be bound or a service does not get ready.
    """
    adopt_orphans()
    raise_open_files_limit(config)
    commands = Commands(stop.set)
    started = now_ms()
    with runtime_folder(forkserver.app_mark) as folder, _open_control_socket(folder) as control:
        async with open_reaper() as reaper:
            factory = WorkerFactory(
                app_name=config.name,
                production=production,
                start_timeout=config.start_timeout,
                forkserver=forkserver,
                reaper=reaper,
                folder=folder,
                log=log,
                backpressure=backpressure,
                on_ask=commands.take,
                attend=attend,
                print_raw=print_raw,
            )
            supervisor = Supervisor(
                config,
                factory,
                read_config=read_config,
                clock=clock,
                rng=rng or random.Random(),  # noqa: S311 - spreads restarts, no secret
            )
            dashboard = dashboard_run(config.dashboard, production=production)
            control_of = partial(control_service, folder.path, dashboard=dashboard)
            greeting = _reserve_dashboard(supervisor, dashboard, production=production)
            describe = partial(_describe, supervisor, started)
            commands.answer_health(supervisor)
            announce = partial(_announce, describe, folder)
            with _translated(folder):
                announce(ready=False)
            supervisor.on_reload.append(partial(_say_if_refused, supervisor, announce))
            supervisor.on_tick.append(FolderRepair(supervisor, folder, announce, control_of).look)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_kill_when_forced, supervisor, force)
                tasks.start_soon(forkserver.stay, reaper, partial(_tell_launch, supervisor, forkserver))
                tasks.start_soon(accompany, supervisor)
                supervisor.on_reload.append(partial(_renew_control, supervisor, control_of, tasks))
                open_control = partial(_open_control, supervisor, folder, control, control_of, greeting)
                if config.health_probes is not None:
                    # The orchestrator asks while the services start, too.
                    supervisor.on_start.append(open_control)
                await wait_any(stop.wait, partial(supervisor.start, tasks))
                if supervisor.failure is None and not stop.is_set():
                    _say_if_refused(supervisor, announce)
                    tasks.start_soon(commands.serve, supervisor, describe)
                    if config.health_probes is None:
                        tasks.start_soon(open_control)
                    await stop.wait()
                    await _leave(supervisor, force)
                await supervisor.stop()
                tasks.cancel_scope.cancel()
            supervisor.close()
            # What is left was started by a probe, or by a worker that never got known.
            end_marked(is_of_app(forkserver.app_mark), but={forkserver.pid})
    if supervisor.failure is not None:
        raise supervisor.failure


def _renew_control(
    supervisor: Supervisor, control_of: Callable[[RuntimeConfig], ServiceConfig], tasks: TaskGroup
) -> None:
    """Replace the control worker if what it hosts has changed with the configuration."""
    service, config = supervisor.services.get(CONTROL_ID), control_of(supervisor.config)
    if service is not None and service.config != config:
        tasks.start_soon(_replace, service, config)


async def _replace(service: Service, config: ServiceConfig) -> None:
    try:
        await service.replace(config)
    except ServiceFailed as error:
        service.say(LogLevel.ERROR, f"{error.message}; the old one goes on")


async def _leave(supervisor: Supervisor, force: anyio.Event) -> None:
    """Have the readiness endpoint fail, and serve on until orchestrators and load balancers have noticed."""
    supervisor.mesh.leave()
    probes = supervisor.config.health_probes
    if probes is not None and probes.shutdown_delay:
        supervisor.say(LogLevel.INFO, f"not ready any more; the services stop in {probes.shutdown_delay:g} s")
        with anyio.move_on_after(probes.shutdown_delay):
            await force.wait()


async def _kill_when_forced(supervisor: Supervisor, force: anyio.Event) -> None:
    await force.wait()
    supervisor.kill()


def _tell_launch(supervisor: Supervisor, forkserver: Forkserver, status: ExitStatus) -> None:
    message = f"the forkserver had ended ({status}) and was launched again"
    supervisor.say(LogLevel.WARN, message, child=forkserver.pid)


def _open_control_socket(folder: RuntimeFolder) -> socket.socket:
    with _translated(folder):
        return open_endpoint(folder.path / metadata.CONTROL_SOCKET)


@contextmanager
def _translated(folder: RuntimeFolder) -> Iterator[None]:
    """Raise StartError where the folder cannot be written to."""
    try:
        yield
    except OSError as error:
        raise refused(f"cannot write into {folder.path}", error) from error


def _reserve_dashboard(supervisor: Supervisor, dashboard: DashboardRun, *, production: bool) -> str:
    """Open the dashboard's socket before any service starts; return the line that tells of it. Raises StartError."""
    place = dashboard.config
    if not place.enabled:
        return ""
    address = open_public(ServerConfig(hostname=place.hostname, port=place.port), key="dashboard")
    supervisor.reserved[CONTROL_ID] = address
    if not production:
        url = dashboard_url(address, None)
        supervisor.variables_for = partial(telemetry_variables, url, dashboard.ingest_token)
    if production:  # its logs travel, and do not get the token
        return f"the dashboard is at {dashboard_url(address, None)}; `pywatt dashboard` opens it"
    return f"the dashboard is at {dashboard_url(address, place.token)}"


async def _open_control(
    supervisor: Supervisor,
    folder: RuntimeFolder,
    listener: socket.socket,
    control_of: Callable[[RuntimeConfig], ServiceConfig],
    greeting: str,
) -> None:
    """Start the control API; without it the app runs all the same."""
    if await supervisor.add_own(control_of(supervisor.config), listener):
        if greeting:
            supervisor.say(LogLevel.INFO, greeting)
    else:
        with suppress(OSError):
            (folder.path / metadata.CONTROL_SOCKET).unlink()  # or commands would wait for an answer


def _say_if_refused(supervisor: Supervisor, announce: Callable[[], None]) -> None:
    """Write the app's metadata; the app goes on when that fails."""
    try:
        announce()
    except OSError as error:
        supervisor.say(LogLevel.ERROR, f"commands may not see what has changed: {error}")


def _describe(supervisor: Supervisor, started: int) -> metadata.Runtime:
    return metadata.describe(
        supervisor.config.name,
        supervisor.config.root,
        supervisor.url,
        version=__version__,
        started=started,
        argv=sys.argv,
        pid=os.getpid(),
    )


def _announce(describe: Callable[[], metadata.Runtime], folder: RuntimeFolder, *, ready: bool = True) -> None:
    metadata.write(folder.path, replace(describe(), ready=ready))
