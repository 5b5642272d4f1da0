"""Runs a service's commands before its workers start, such as the migration of a database."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio

from pywatt.config.model import ServiceConfig
from pywatt.errors import ServiceFailed
from pywatt.supervisor.process.output import open_output_pipes
from pywatt.supervisor.process.worker_factory import WorkerFactory
from pywatt.worker.process.other_interpreter import environment


async def run_before_start(service: ServiceConfig, env: Mapping[str, str], factory: WorkerFactory) -> None:
    """Run the service's commands one after the other. Raises ServiceFailed for the first that fails.

    Cancelling this ends the command with its descendants.
    """
    env = environment(env, service.interpreter or Path(sys.executable))
    for command in service.before_start:
        await _run(command, service, env, factory)


async def _run(
    command: tuple[str, ...], service: ServiceConfig, env: Mapping[str, str], factory: WorkerFactory
) -> None:
    name = f'service "{service.id}" failed to start: beforeStart: {shlex.join(command)}'
    async with open_output_pipes(
        service.id, 0, factory.log, factory.backpressure, stderr_level=service.stderr_level
    ) as output:
        try:
            with factory.reaper.expecting():
                output.pid = _launch(command, env, service.path, output.writers)
                exited = factory.reaper.watch(output.pid)
        except OSError as error:
            hint = "the program is looked for in the service's folder and on its PATH"
            raise ServiceFailed(service.id, f"{name}: {error.strerror}", hint=hint) from error
        finally:
            output.close()
        try:
            await factory.forkserver.adopt(output.pid)
            status = await asyncio.shield(exited)
        finally:
            if not exited.done():
                with suppress(ProcessLookupError):
                    os.killpg(output.pid, signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await factory.forkserver.forget(output.pid)
        await output.drained()
        if status.code != 0:
            hint = "correct the command or what it needs; `pywatt logs` shows all of its output"
            raise ServiceFailed(service.id, f"{name}: {status}", output=list(output.tail), hint=hint)


def _launch(command: tuple[str, ...], env: Mapping[str, str], folder: Path, writers: tuple[int, ...]) -> int:
    # Its own session: a process group of its own, which the reaper ends with it.
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=writers[0],
        stderr=writers[1],
        start_new_session=True,
    )
    # The reaper collects it like any other child; without this, Popen would warn that it still runs.
    process.returncode = 0
    return process.pid
