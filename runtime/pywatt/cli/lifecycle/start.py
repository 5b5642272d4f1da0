"""`pywatt start` and `pywatt dev`: run the app in this terminal until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread
import click

from pywatt.cli.arguments.config_options import config_option, env_file_option
from pywatt.cli.arguments.start_arguments import split_words, start_services
from pywatt.cli.lifecycle.detach import detach as run_detached
from pywatt.cli.lifecycle.detach import tell_ready
from pywatt.cli.lifecycle.signals import Reloads, obey_signals
from pywatt.config.logger_model import Rotation
from pywatt.config.model import LogLevel, RuntimeConfig
from pywatt.config.overrides import Overrides
from pywatt.control.control_service import CONTROL_ID
from pywatt.dev.editor_port import Editors
from pywatt.errors import NoHome, StartError
from pywatt.logs.history import History, history_of
from pywatt.logs.logbook import Logbook, open_logbook
from pywatt.supervisor.process.debuggers import Attend
from pywatt.supervisor.process.forkserver import Forkserver
from pywatt.supervisor.run import run_app
from pywatt.supervisor.supervisor import Supervisor

if TYPE_CHECKING:
    from pywatt.dev.editor_port import Editors
    from pywatt.dev.local_certificate import LocalCertificate
    from pywatt.dev.session import DevSession
    from pywatt.logs.routing import LoggerSettings

UNHURRIED_SECONDS = 1.0
"""Seconds for which the entrypoint serves alone before the services that are still starting are named."""

_words = click.argument("words", metavar="[DIRECTORY] [SERVICE]...", nargs=-1)
_port = click.option(
    "-p", "--port", type=click.IntRange(0, 65535), help="Where the entrypoint listens; 0: any free port."
)
_profile = click.option(
    "--profile", "profiles", multiple=True, envvar="PYWATT_PROFILES", help="Run its services too; may be repeated."
)


@click.command()
@_words
@config_option
@env_file_option
@_port
@_profile
@click.option("-d", "--detach", is_flag=True, help="Return once the app is ready, and let it run on.")
def start(
    words: tuple[str, ...],
    config: Path | None,
    env_file: Path | None,
    port: int | None,
    profiles: tuple[str, ...],
    detach: bool,
) -> None:
    """Start the app in DIRECTORY (default: here) for production, or only SERVICEs and what they need.

    In the folder of an app that runs, SERVICEs that were stopped are started again.
    """
    directory, services = split_words(words, config, env_file)
    if services and start_services(directory, services, config, env_file):
        return
    if detach:
        run_detached(sys.argv[1:])
        return
    overrides = Overrides(services=services, profiles=profiles, port=port)
    _run(directory, config, env_file, overrides, production=True)


@click.command()
@_words
@config_option
@env_file_option
@_port
@_profile
@click.option(
    "--debug",
    "debugged",
    multiple=True,
    metavar="SERVICE[:PORT]",
    help="Let an editor attach to a python service (by default at port 5678).",
)
@click.option("--https", is_flag=True, help="Serve HTTPS with a certificate for localhost, made for this machine.")
def dev(
    words: tuple[str, ...],
    config: Path | None,
    env_file: Path | None,
    port: int | None,
    profiles: tuple[str, ...],
    debugged: tuple[str, ...],
    https: bool,
) -> None:
    """Start the app in DIRECTORY (default: here) for development, or only SERVICEs and what they need."""
    directory, services = split_words(words, config, env_file)
    certificate = _local_certificate() if https else None
    overrides = Overrides(
        services=services,
        profiles=profiles,
        port=port,
        https=None if certificate is None else certificate.options,
    )
    advice = "" if certificate is None else certificate.advice
    _run(directory, config, env_file, overrides, production=False, debugged=debugged, advice=advice)


def _local_certificate() -> LocalCertificate:
    from pywatt.dev.local_certificate import local_certificate

    try:
        return local_certificate(os.environ)
    except OSError as error:
        raise StartError(
            f"the certificate for localhost cannot be made: {error.strerror} ({error.filename})",
            hint="set HOME or XDG_STATE_HOME to a folder that can be written to, or give server.https a certificate",
        ) from error


def _run(
    directory: Path | None,
    file: Path | None,
    env_file: Path | None,
    overrides: Overrides,
    *,
    production: bool,
    debugged: tuple[str, ...] = (),
    advice: str = "",
) -> None:
    # The forkserver imports what every worker needs while the config is loaded here, on the other core.
    forkserver = Forkserver()
    try:
        from pywatt.config.pipeline import load

        load_config = partial(
            load,
            directory,
            cwd=Path.cwd(),
            environ=dict(os.environ),
            config=file,
            env_file=env_file,
            production=production,
            overrides=overrides,
        )
        begun = time.time_ns()
        with Editors(debugged) as editors:
            config = editors.prepared(load_config())
            session = None if production else _dev_session(config, begun, editors)
            history, homeless = _history(config)
            rotation = config.log_history or Rotation()
            with open_logbook(sys.stdout, config.log_level, history, rotation, _logger_settings(config)) as logbook:
                if advice:
                    logbook.say(LogLevel.INFO, advice)
                if homeless:
                    logbook.say(LogLevel.WARN, homeless)
                read_config = partial(_read, load_config, editors)
                anyio.run(_supervise, config, read_config, forkserver, logbook, session)
    finally:
        forkserver.close()


def _logger_settings(config: RuntimeConfig) -> LoggerSettings | None:
    """Return how records are written; None: all as they are, to the output."""
    services = {service.id: service.logger for service in config.services}
    if config.logger.plain and all(logger.plain for logger in services.values()):
        return None
    from pywatt.logs.routing import LoggerSettings

    return LoggerSettings(own=config.logger, services=services)


def _read(load_config: Callable[[], RuntimeConfig], editors: Editors) -> RuntimeConfig:
    return editors.prepared(load_config())


def _history(config: RuntimeConfig) -> tuple[History | None, str]:
    """Return the location of the log, or None, and a warning."""
    if not config.log_history:
        return None, ""
    try:
        return history_of(config.name, config.root, os.environ), ""
    except NoHome as error:
        return None, f"the log is not kept: {error.message}; {error.hint}"


async def _supervise(
    config: RuntimeConfig,
    read_config: Callable[[], RuntimeConfig],
    forkserver: Forkserver,
    logbook: Logbook,
    session: DevSession | None,
) -> None:
    """Run the app until a signal ends it; `session` keeps it up to date with its files, in development."""

    async def configure_log(app: Supervisor) -> None:
        try:
            await anyio.to_thread.run_sync(logbook.configure, app.config.log_level, _logger_settings(app.config))
        except StartError as error:
            logbook.say(LogLevel.ERROR, f"records are written as before: {error}")

    async def accompany(app: Supervisor) -> None:
        def apply_log_settings() -> None:
            logbook.level = app.config.log_level
            tasks.start_soon(configure_log, app)

        async with anyio.create_task_group() as tasks:
            app.on_reload.append(apply_log_settings)
            tasks.start_soon(_greet, config, app)
            tasks.start_soon(reloads.serve, app)
            tasks.start_soon(_tell_of_stop, stop, logbook)
            if session is not None:
                await _follow_files(app, session, stop.set)

    stop, force, reloads = anyio.Event(), anyio.Event(), Reloads()
    failure: StartError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(obey_signals, stop, force, reloads.want)
        if session is not None:
            tasks.start_soon(session.run)
        try:
            await run_app(
                config,
                forkserver,
                logbook.write,
                logbook.backpressure,
                print_raw=logbook.print_raw,
                production=session is None,
                stop=stop,
                force=force,
                read_config=read_config,
                accompany=accompany,
                attend=_attend(session),
            )
            logbook.say(LogLevel.INFO, "stopped")
        except StartError as error:
            failure = error
            logbook.keep(LogLevel.FATAL, error.message)
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _attend(session: DevSession | None) -> Attend | None:
    if session is None:
        return None
    from pywatt.dev.terminal import has_terminal

    return session.breakpoints.attend if has_terminal() else None


async def _tell_of_stop(stop: anyio.Event, logbook: Logbook) -> None:
    await stop.wait()
    again = "; Ctrl-C again ends it at once" if sys.stdin.isatty() else ""
    logbook.say(LogLevel.INFO, f"stopping{again}")


def _dev_session(config: RuntimeConfig, begun: int, editors: Editors) -> DevSession:
    # Only development pays for the watcher's import.
    from pywatt.cli.output.errors import render
    from pywatt.dev.session import DevSession

    return DevSession(config, render=render, since=begun, editors=editors)


async def _follow_files(app: Supervisor, session: DevSession, stop: Callable[[], None]) -> None:
    from pywatt.dev.terminal import serve_terminal

    session.attach(app)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(session.editors.serve, app)
        await serve_terminal(app, session, stop)


async def _greet(config: RuntimeConfig, app: Supervisor) -> None:
    """Log the app's URL once every service has started, or earlier if the entrypoint has to wait for others."""
    for warning in config.warnings:
        app.say(LogLevel.WARN, warning)
    entrypoint = app.services.get(config.entrypoint or "")
    if entrypoint is not None:
        await asyncio.wait([entrypoint.started])
        with anyio.move_on_after(UNHURRIED_SECONDS):
            await app.settled.wait()
        starting = [
            service_id
            for service_id, service in app.services.items()
            if not service.started.done() and service_id != CONTROL_ID
        ]
        if starting and app.url and entrypoint.port is not None:
            app.say(
                LogLevel.INFO, f"{entrypoint.config.id} serves {app.url} already; still starting: {', '.join(starting)}"
            )
    await app.settled.wait()
    tell_ready(app.url)
    if entrypoint is not None and app.table().services[entrypoint.config.id].port is None:
        app.say(LogLevel.INFO, "pywatt has started; its entrypoint answers no HTTP")
    elif app.url:
        app.say(LogLevel.INFO, f"pywatt is now listening at {app.url}", url=app.url)
    else:
        app.say(LogLevel.INFO, "pywatt has started; the app has no entrypoint, so it listens nowhere")
