"""The kinds of probe: an HTTP request, a program, a function of the application. None blocks the supervisor."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import anyio

from pywatt.config.model import ProbeConfig, ServiceConfig
from pywatt.errors import BadResponse, ConnectionLost
from pywatt.mesh.table import MESH_SUFFIX
from pywatt.supervisor.process.forkserver import Forkserver
from pywatt.supervisor.process.reaper import Reaper
from pywatt.supervisor.process.worker import ReadinessAnswer, Worker
from pywatt.supervisor.process.worker_factory import WorkerFactory
from pywatt.worker.process.descendant_mark import put_mark

MAX_OUTPUT = 400
"""Characters of a failed program's output that are reported."""
MAX_BODY = 4096
"""Bytes of an answer's body that are kept."""
_SHOWN = 40
"""Bytes that are reported of an answer that is not HTTP."""
_LINES = b"user-agent: pywatt-probe\r\naccept: */*\r\n"
_GOOD = range(200, 400)


async def run_probe(
    worker: Worker, probe: ProbeConfig, service: ServiceConfig, env: Mapping[str, str], factory: WorkerFactory
) -> str:
    """Run a probe of a worker once; return the problem, or nothing. `env`: the environment of its service."""
    answer = await _run_probe(worker, probe, service, env, factory)
    if probe is worker.readiness_probe:
        worker.readiness = answer if answer.status is not None or answer.body is not None else None
    return answer.problem


async def _run_probe(
    worker: Worker, probe: ProbeConfig, service: ServiceConfig, env: Mapping[str, str], factory: WorkerFactory
) -> ReadinessAnswer:
    address = worker.endpoint.address
    if probe.http is not None:
        if worker.report is not None and not worker.report.http:
            return ReadinessAnswer(f"GET {probe.http}: it answers no HTTP", None, None)
        return await probe_http(address, probe.http, service.id, probe.timeout)
    if probe.hook is not None:
        return await probe_function(worker, probe.hook, probe.timeout)
    env = {**env, "PYWATT_WORKER_PID": str(worker.pid), "PYWATT_WORKER_SLOT": str(worker.slot)}
    if address.startswith("tcp:"):
        env["HOST"], _, env["PORT"] = address.removeprefix("tcp:").rpartition(":")
    problem = await probe_command(probe, env, service.path, factory.reaper, factory.forkserver)
    return ReadinessAnswer(problem, None, None)


async def probe_http(address: str, path: str, service_id: str, timeout: float) -> ReadinessAnswer:
    """GET the path from an endpoint (in the form of `Endpoint.address`); return the answer."""
    # Imported with the first probe: an app without one does not pay for it.
    from pywatt.http.client.address import parse_endpoint
    from pywatt.http.client.get_status import get_answer

    try:
        status, body = await get_answer(
            parse_endpoint(address),
            f"{service_id}{MESH_SUFFIX}",
            path,
            lines=_LINES,
            limit=MAX_BODY,
            timeout=timeout,
        )
    except TimeoutError:
        problem = f"GET {path}: no answer within {timeout:g} s"
    except ConnectionLost:
        problem = f"GET {path}: the connection was closed without an answer"
    except BadResponse as error:
        problem = f"GET {path}: not an HTTP answer: {error.start[:_SHOWN]!r}"
    except (OSError, ValueError) as error:
        problem = f"GET {path}: {error}"
    else:
        problem = "" if status in _GOOD else f"GET {path}: status {status}"
        return ReadinessAnswer(problem, status, body.decode("utf-8", "replace"))
    return ReadinessAnswer(problem, None, None)


async def probe_function(worker: Worker, hook: str, timeout: float) -> ReadinessAnswer:
    """Call a function of the worker's application; return its answer."""
    try:
        async with asyncio.timeout(timeout):
            checked = await worker.check(hook)
    except TimeoutError:
        return ReadinessAnswer(f"{hook}: no answer within {timeout:g} s", None, None)
    decides = checked.status is not None or checked.body is not None
    return ReadinessAnswer(checked.problem, checked.status, checked.body, decides)


async def probe_command(
    probe: ProbeConfig, env: Mapping[str, str], folder: Path, reaper: Reaper, forkserver: Forkserver
) -> str:
    """Run the probe's program in a folder; return the problem, or nothing."""
    name = " ".join(probe.command)
    try:
        output = os.memfd_create("pywatt-probe")  # the program can write what it likes without anybody reading along
    except OSError as error:
        return f"{name}: {error.strerror}"
    try:
        try:
            with reaper.expecting():
                pid = _launch(probe.command, env, folder, output)
                put_mark(forkserver.app_mark, pid)
                exited = reaper.watch(pid)
        except OSError as error:
            return f"{name}: {error.strerror}"
        try:
            await forkserver.adopt(pid)
            async with asyncio.timeout(probe.timeout):
                status = await asyncio.shield(exited)
        except TimeoutError:
            return f"{name}: not done within {probe.timeout:g} s"
        finally:
            if not exited.done():
                with suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)
            with anyio.CancelScope(shield=True):
                await forkserver.forget(pid)
        said = os.pread(output, MAX_OUTPUT, 0).decode(errors="replace").strip()
        return "" if status.code == 0 else f"{name}: {status}{f', saying: {said}' if said else ''}"
    finally:
        os.close(output)


def _launch(command: tuple[str, ...], env: Mapping[str, str], folder: Path, output: int) -> int:
    # Its own session: a process group of its own, which the reaper ends with it.
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,
    )
    # The reaper collects it like any other child; without this, Popen would warn that it still runs.
    process.returncode = 0
    return process.pid
