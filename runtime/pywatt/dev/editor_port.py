"""The address at which an editor attaches to a service under `pywatt dev --debug`, the same over every reload.

Each worker listens for its debugger on a port of its own; connections to this one go to the newest worker.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Self

import anyio

from pywatt.config.model import LogLevel, RuntimeConfig
from pywatt.errors import StartError
from pywatt.supervisor.process.sockets import LOOPBACK
from pywatt.supervisor.process.worker import Worker
from pywatt.supervisor.supervisor import Supervisor
from pywatt.wait_any import wait_any

DEFAULT_PORT = 5678
"""The port that editors assume for debugpy."""
LAUNCH_FILE = Path(".vscode", "launch.json")
MOST_PORTS = 1 << 16
CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class EditorPort:
    """The address at which an editor attaches to one service."""

    service: str
    port: int
    """0: any free one."""

    @classmethod
    def parse(cls, text: str) -> EditorPort:
        """Read `service` or `service:port`. Raises StartError."""
        service, colon, port = text.partition(":")
        if colon and not (port.isascii() and port.isdigit() and int(port) < MOST_PORTS):
            raise StartError(f"--debug: {port!r} is no port", hint="a service, or a service and a port: api:5678")
        return cls(service, int(port) if port else DEFAULT_PORT)

    def listen(self) -> socket.socket:
        """Return a listening socket. Raises StartError."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((LOOPBACK, self.port))
            sock.listen()
        except OSError as error:
            sock.close()
            raise StartError(
                f"cannot listen at {LOOPBACK}:{self.port} for an editor: {error.strerror}",
                hint=f"name another port, or 0 for any free one: --debug {self.service}:0",
            ) from error
        sock.setblocking(False)
        return sock


class Editors:
    """The addresses at which editors attach to the services of one app; closes the sockets when its context is left."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Listen as `--debug` says. Raises StartError."""
        self._listeners: dict[EditorPort, socket.socket] = {}
        for where in map(EditorPort.parse, texts):
            listener = where.listen()
            self._listeners[replace(where, port=listener.getsockname()[1])] = listener

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the sockets."""
        for listener in self._listeners.values():
            listener.close()

    def prepared(self, config: RuntimeConfig) -> RuntimeConfig:
        """Return the configuration with services that wait for an editor. Raises StartError for an unknown one."""
        wanted = {where.service for where in self._listeners}
        known = [service.id for service in config.services if service.type == "python"]
        for service_id in wanted.difference(known):
            hint = f"there are: {', '.join(known)}" if known else "the app has no python services"
            raise StartError(f'--debug: there is no python service "{service_id}"', hint=hint)
        services = (replace(it, debugged=True) if it.id in wanted else it for it in config.services)
        return replace(config, services=tuple(services))

    async def serve(self, app: Supervisor) -> None:
        """Lead editors to the newest workers until cancelled."""
        if not self._listeners:
            return
        for where in self._listeners:
            app.say(LogLevel.INFO, f'an editor can attach to the service "{where.service}" at {LOOPBACK}:{where.port}')
        app.say(LogLevel.INFO, write_launch_file(app.config.root, self._listeners))
        async with anyio.create_task_group() as tasks:
            for where, listener in self._listeners.items():
                tasks.start_soon(_accept, app, where.service, listener)


async def _accept(app: Supervisor, service_id: str, listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async with anyio.create_task_group() as tasks:
        while True:
            editor, _ = await loop.sock_accept(listener)
            tasks.start_soon(_lead, app, service_id, editor)


async def _lead(app: Supervisor, service_id: str, editor: socket.socket) -> None:
    """Lead one editor to the newest worker, until a newer one serves: the editor then attaches again."""
    with editor, suppress(OSError):
        worker = _newest(app, service_id)
        if worker is None or worker.debuggers.port is None:
            return  # none has come far enough
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as debugger:
            debugger.setblocking(False)
            await loop.sock_connect(debugger, (LOOPBACK, worker.debuggers.port))
            await wait_any(
                partial(_copy, editor, debugger),
                partial(_copy, debugger, editor),
                partial(_superseded, app, service_id, worker),
            )


async def _copy(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while data := await loop.sock_recv(source, CHUNK):
            await loop.sock_sendall(target, data)


async def _superseded(app: Supervisor, service_id: str, worker: Worker) -> None:
    while (newest := _newest(app, service_id)) is worker or newest is None or not newest.serving:
        await app.mesh.updated.wait()


def _newest(app: Supervisor, service_id: str) -> Worker | None:
    service = app.services.get(service_id)
    workers = [] if service is None else [one for one in service.workers() if one.debuggers.port is not None]
    return max(workers, key=lambda worker: int(worker.id.rpartition("/")[2]), default=None)


def write_launch_file(root: Path, ports: Iterable[EditorPort]) -> str:
    """Write the launch configuration for VS Code, unless there is such a file; return a note for the user."""
    configurations = [
        {
            "name": f"pywatt: {where.service}",
            "type": "debugpy",
            "request": "attach",
            "connect": {"host": LOOPBACK, "port": where.port},
        }
        for where in ports
    ]
    file = root / LAUNCH_FILE
    document = {"version": "0.2.0", "configurations": configurations}
    try:
        file.parent.mkdir(exist_ok=True)
        with file.open("x", encoding="utf-8") as stream:
            stream.write(json.dumps(document, indent=2) + "\n")
    except FileExistsError:
        return f"{LAUNCH_FILE} is left as it is; to attach: {json.dumps(configurations)}"
    except OSError as error:
        return f"{LAUNCH_FILE} cannot be written ({error.strerror}); to attach: {json.dumps(configurations)}"
    return f"wrote {LAUNCH_FILE} for VS Code"
