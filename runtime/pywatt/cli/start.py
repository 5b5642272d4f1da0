"""`pywatt start` and `pywatt dev`: run the app in this terminal until it is told to stop."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from pathlib import Path

import anyio
import click

from pywatt.config.model import LogLevel, RuntimeConfig
from pywatt.errors import StartError
from pywatt.logs.lines import LogRecord
from pywatt.logs.output import LogOutput, open_output
from pywatt.supervisor.forkserver import Forkserver
from pywatt.supervisor.run import run_app
from pywatt.supervisor.supervisor import Supervisor

_directory = click.argument("directory", required=False, type=click.Path(path_type=Path))
_config = click.option(
    "-c", "--config", type=click.Path(path_type=Path), help="The root config file, instead of looking for one."
)
_env = click.option(
    "-e", "--env", "env_file", type=click.Path(path_type=Path), help="The file of variables, instead of .env."
)


@click.command()
@_directory
@_config
@_env
def start(directory: Path | None, config: Path | None, env_file: Path | None) -> None:
    """Start the app in DIRECTORY (default: here) for production."""
    _run(directory, config, env_file, production=True)


@click.command()
@_directory
@_config
@_env
def dev(directory: Path | None, config: Path | None, env_file: Path | None) -> None:
    """Start the app in DIRECTORY (default: here) for development."""
    _run(directory, config, env_file, production=False)


def _run(directory: Path | None, file: Path | None, env_file: Path | None, *, production: bool) -> None:
    # The forkserver imports what every worker needs while the config is loaded here, on the other core.
    forkserver = Forkserver()
    try:
        from pywatt.config import load

        config = load(
            directory, cwd=Path.cwd(), environ=os.environ, config=file, env_file=env_file, production=production
        )
        anyio.run(_supervise, config, forkserver, open_output(sys.stdout), production)
    finally:
        forkserver.close()


async def _supervise(config: RuntimeConfig, forkserver: Forkserver, output: LogOutput, production: bool) -> None:
    def log(record: LogRecord) -> None:
        if record.level >= config.log_level:
            output.write(record)

    stop, force = anyio.Event(), anyio.Event()
    failure: StartError | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_obey_signals, stop, force)
        try:
            await run_app(
                config,
                forkserver,
                log,
                production=production,
                stop=stop,
                force=force,
                on_started=partial(_greet, config),
            )
        except StartError as error:
            failure = error
        tasks.cancel_scope.cancel()
    if failure is not None:
        raise failure


def _greet(config: RuntimeConfig, app: Supervisor) -> None:
    for warning in config.warnings:
        app.say(LogLevel.WARN, warning)
    if app.url:
        app.say(LogLevel.INFO, f"pywatt is now listening at {app.url}", url=app.url)
    else:
        app.say(LogLevel.INFO, "pywatt has started; the app has no entrypoint, so it listens nowhere")


async def _obey_signals(stop: anyio.Event, force: anyio.Event) -> None:
    """Stop the app at the first signal, kill it at the second."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as received:
        async for _number in received:
            if stop.is_set():
                force.set()
            stop.set()
