"""Carries out the commands of the control API, each in a task of its own, so none can hold up the app or another."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import anyio

from pywatt.channel.messages import Answer, Ask
from pywatt.config.diagnostics.hints import suggest
from pywatt.config.model import LogLevel
from pywatt.control.control_service import CONTROL_ID
from pywatt.control.error_json import to_json
from pywatt.control.metadata import Runtime
from pywatt.control.probes.pages import HEALTH
from pywatt.errors import ControlError, NotKnown, PywattError
from pywatt.logs.lines import LogRecord
from pywatt.redaction import hide
from pywatt.supervisor.monitor.memory import recorded_memory
from pywatt.supervisor.monitor.stack import stack_of, tasks_of
from pywatt.supervisor.monitor.usage import measure
from pywatt.supervisor.policy.config_diff import config_diff
from pywatt.supervisor.process.output import now_ms
from pywatt.supervisor.service import Service
from pywatt.supervisor.snapshot import config_document, health_rows, service_row
from pywatt.supervisor.supervisor import Supervisor

MOST_AT_ONCE = 64
LONGEST_RECORDING = 86400
"""Seconds."""
MOST_WORKERS = 512
"""Per service: beyond it a number is a slip of the finger."""

COMMAND = "command"
UNNAMED = "otlp"
"""The name of a record whose sender does not tell its own."""
HOW_TO_INCLUDE = "start the app anew with it: --profile for one of its profiles, or its id beside the others"
Arguments = Mapping[str, Any]
Reply = Callable[[Answer], None]


class Commands:
    """The supervisor's side of the control API."""

    def __init__(self, stop: Callable[[], None]) -> None:
        """`stop` has the app stop."""
        self._stop = stop
        self._asked: asyncio.Queue[tuple[Ask, Reply]] = asyncio.Queue(MOST_AT_ONCE)
        self._at_once = asyncio.Semaphore(MOST_AT_ONCE)
        self._commands: dict[str, Callable[[Arguments], Awaitable[Any]]] = {
            "metadata": self._metadata,
            "services": self._services,
            "config": self._config,
            "env": self._env,
            "stack": self._stack,
            "profile": self._profile,
            "log": self._log,
            "repl": self._repl,
            "start": self._start,
            "stop": self._stop_app,
            "restart": self._restart,
            "reload": self._reload,
            "scale": self._scale,
        }

    def answer_health(self, supervisor: Supervisor) -> None:
        """Answer the command `health` at once from now on, also while the app starts and stops."""
        self._supervisor = supervisor

    def take(self, ask: Ask, reply: Reply) -> None:
        """Run a command as soon as the app has started."""
        if ask.command == HEALTH:
            reply(Answer(ask.id, health_rows(self._supervisor)))
            return
        try:
            self._asked.put_nowait((ask, reply))
        except asyncio.QueueFull:
            reply(Answer(ask.id, error=to_json(ControlError("too many commands at once", hint="try again later"))))

    async def serve(self, supervisor: Supervisor, describe: Callable[[], Runtime]) -> None:
        """Carry out commands until cancelled; `describe` tells who the app is."""
        self._supervisor, self._describe = supervisor, describe
        async with anyio.create_task_group() as tasks:
            while True:
                await self._at_once.acquire()
                tasks.start_soon(self._carry_out, *await self._asked.get())

    async def _carry_out(self, ask: Ask, reply: Reply) -> None:
        try:
            command = self._commands.get(ask.command)
            if command is None:
                raise NotKnown(f'there is no command "{ask.command}"')
            reply(Answer(ask.id, await command(ask.arguments)))
        except PywattError as error:
            reply(Answer(ask.id, error=to_json(error)))
        except Exception as error:  # noqa: BLE001 - a fault in one command must not end the app
            what = f"{type(error).__name__}: {error}"
            self._supervisor.say(LogLevel.ERROR, f"the command {ask.command} failed: {what}")
            reply(Answer(ask.id, error=to_json(ControlError(f"pywatt itself failed: {what}"))))
        finally:
            self._at_once.release()

    # Questions.

    async def _metadata(self, _arguments: Arguments) -> dict[str, Any]:
        runtime = self._describe()
        return {
            **runtime.to_json(),
            "uptime": round((now_ms() - runtime.started) / 1000, 3),
            "keepsLog": self._supervisor.config.log_history is not None,
        }

    async def _services(self, arguments: Arguments) -> dict[str, Any]:
        app = self._supervisor
        measured = arguments.get("usage") is not False
        workers = [worker for service in app.services.values() for worker in service.workers()]
        usage = await measure(worker.pid for worker in workers) if measured else {}
        return {
            "services": [
                service_row(service, entrypoint=service_id == app.config.entrypoint, usage=usage)
                for service_id, service in app.services.items()
            ]
        }

    async def _config(self, arguments: Arguments) -> dict[str, Any]:
        config = self._supervisor.config
        document = config_document(config)
        result = document if arguments.get("secrets") is True else dict(hide(document))
        if arguments.get("sources") is True:
            from pywatt.config.origins import origins  # the files are read again: only for those who ask
            from pywatt.config.services.type_detection import InstalledTypes

            result["sources"] = await anyio.to_thread.run_sync(origins, config, dict(os.environ), InstalledTypes())
        return result

    async def _env(self, arguments: Arguments) -> dict[str, Any]:
        service = self._service(arguments.get("service"))
        env = dict(sorted(self._supervisor.environment(service.config).items()))
        return {"env": env if arguments.get("secrets") is True else hide(env)}

    async def _stack(self, arguments: Arguments) -> dict[str, Any]:
        service = self._service(arguments.get("service"))
        workers = [worker for worker in service.workers() if not worker.exited.done()]
        if not workers:
            raise ControlError(f'no worker of the service "{service.config.id}" runs')
        stacks: dict[int, dict[str, Any]] = {}

        async def dump(position: int) -> None:
            worker = workers[position]
            row: dict[str, Any] = {"slot": worker.slot, "pid": worker.pid}
            try:
                stacks[position] = {**row, "lines": [*await stack_of(worker), *await tasks_of(worker)]}
            except ControlError as error:
                stacks[position] = {**row, "lines": [], "error": error.message}

        async with anyio.create_task_group() as tasks:
            for position in range(len(workers)):
                tasks.start_soon(dump, position)
        return {"workers": [stacks[position] for position in sorted(stacks)]}

    async def _profile(self, arguments: Arguments) -> dict[str, Any]:
        """Record the memory of one worker."""
        service, seconds = self._service(arguments.get("service")), arguments.get("seconds")
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds <= LONGEST_RECORDING:
            raise ControlError(f"seconds is a number up to {LONGEST_RECORDING}, not {seconds!r}")
        workers = {worker.slot: worker for worker in service.workers() if not worker.exited.done()}
        slot = arguments.get("worker")
        if not isinstance(slot, int) or slot not in workers:
            raise NotKnown(f'the service "{service.config.id}" has no worker {slot}', hint=f"its workers: {[*workers]}")
        return {"stacks": await recorded_memory(workers[slot], seconds)}

    async def _log(self, arguments: Arguments) -> dict[str, Any]:
        """Write records that services have sent to the control worker into the app's log."""
        for record in arguments["records"]:
            self._supervisor.log(
                LogRecord(
                    level=LogLevel(record["level"]),
                    time=record["time"],
                    name=record["name"] or UNNAMED,
                    msg=record["msg"],
                    pid=record["pid"],
                    worker=record["worker"],
                    extra=record["extra"],
                )
            )
        return {}

    async def _repl(self, arguments: Arguments) -> dict[str, Any]:
        """Have a worker open a Python prompt for the socket of whoever asks."""
        service, slot, path = (arguments.get(name) for name in ("service", "worker", "socket"))
        found = self._service(service).config
        if self._supervisor.production and not self._supervisor.config.repl:
            hint = 'set "repl": true in the root file'
            raise ControlError("pywatt repl is off in production", hint=hint)
        if found.type == COMMAND:
            raise ControlError(f'the service "{found.id}" runs a program of its own', hint="use that program's prompt")
        workers = {worker.slot: worker for worker in self._service(service).workers() if not worker.exited.done()}
        if not isinstance(slot, int) or slot not in workers or not isinstance(path, str):
            raise NotKnown(f'the service "{found.id}" has no worker {slot}', hint=f"its workers: {[*workers]}")
        workers[slot].open_prompt(path)
        self._supervisor.say(LogLevel.WARN, f'a Python prompt was opened in worker {slot} of the service "{found.id}"')
        return {}

    # Changes.

    async def _start(self, arguments: Arguments) -> dict[str, Any]:
        services = self._named(arguments.get("services") or [])
        return {"started": await self._supervisor.resume([service.config.id for service in services])}

    async def _stop_app(self, arguments: Arguments) -> dict[str, Any]:
        if arguments.get("services"):
            services = self._named(arguments["services"])
            return {"stopped": await self._supervisor.park([service.config.id for service in services])}
        # The answer must be on its way before the worker that takes it is stopped.
        asyncio.get_running_loop().call_soon(self._stop)
        return {"stopping": True}

    async def _restart(self, arguments: Arguments) -> dict[str, Any]:
        wanted = arguments.get("services") or []
        services = self._named(wanted) if wanted else [service for service in self._listed() if not service.parked]
        await self._supervisor.resume([service.config.id for service in services if service.parked])
        services = [self._supervisor.services[service.config.id] for service in services]
        failures: dict[str, dict[str, Any]] = {}

        async def replace(service: Service) -> None:
            try:
                await service.replace()
            except PywattError as error:
                failures[service.config.id] = to_json(error)

        async with anyio.create_task_group() as tasks:
            for service in services:
                tasks.start_soon(replace, service)
        ids = [service.config.id for service in services]
        return {"restarted": [service_id for service_id in ids if service_id not in failures], "failed": failures}

    async def _reload(self, arguments: Arguments) -> dict[str, Any]:
        """Apply the files; with `dryRun`, only tell what would change."""
        if arguments.get("dryRun") is True:
            change = config_diff(self._supervisor.config, await self._supervisor.read())
        else:
            change = await self._supervisor.read_again()
        return {
            "added": [service.id for service in change.added],
            "changed": [service.id for service in change.changed],
            "removed": list(change.removed),
            "url": self._supervisor.url,
            "warnings": list(self._supervisor.config.warnings),
        }

    async def _scale(self, arguments: Arguments) -> dict[str, Any]:
        wanted = arguments.get("services")
        if not isinstance(wanted, dict) or not wanted:
            raise ControlError("scale needs the number of workers per service", hint="as in: pywatt scale api=2")
        services = dict(zip(wanted, self._named(list(wanted)), strict=True))
        for service_id, workers in wanted.items():
            if not isinstance(workers, int) or isinstance(workers, bool) or not 1 <= workers <= MOST_WORKERS:
                raise ControlError(f"{service_id}={workers}: the number of workers is 1 to {MOST_WORKERS}")
        failures: dict[str, dict[str, Any]] = {}

        async def scale(service: Service, workers: int) -> None:
            try:
                await service.scale(workers)
            except PywattError as error:
                failures[service.config.id] = to_json(error)

        async with anyio.create_task_group() as tasks:
            for service_id, service in services.items():
                tasks.start_soon(scale, service, wanted[service_id])
        return {
            "scaled": {service_id: count for service_id, count in wanted.items() if service_id not in failures},
            "failed": failures,
        }

    # Names.

    def _listed(self) -> list[Service]:
        return [service for service in self._supervisor.services.values() if not service.config.internal]

    def _service(self, service_id: object) -> Service:
        return self._named([service_id])[0]

    def _named(self, wanted: Sequence[object]) -> list[Service]:
        """Return the services with these ids. Raises NotKnown, for the one that carries this very command too."""
        services = {name: service for name, service in self._supervisor.services.items() if name != CONTROL_ID}
        for service_id in wanted:
            if not isinstance(service_id, str) or service_id not in services:
                if service_id in self._supervisor.config.left_out:
                    raise NotKnown(f'the app runs without the service "{service_id}"', hint=HOW_TO_INCLUDE)
                known = [service.config.id for service in self._listed()]
                hint = suggest(str(service_id), known, kind="known ids", always_list=True)
                raise NotKnown(f'the app has no service "{service_id}"', hint=hint)
        return [services[str(service_id)] for service_id in wanted]
