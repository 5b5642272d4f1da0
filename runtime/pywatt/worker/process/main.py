"""The main function of a freshly forked worker: becomes a process of its own, then serves its service."""

from __future__ import annotations

import asyncio
import faulthandler
import importlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from functools import partial
from importlib.metadata import EntryPoint
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import anyio

from pywatt.channel.frames import frame
from pywatt.channel.messages import Debugging, encode
from pywatt.channel.stream import open_channel
from pywatt.errors import PywattError
from pywatt.logs.python import configure_logging, python_level, text_of
from pywatt.logs.pywatt_logger import open_pywatt_loggers, pywatt_logger
from pywatt.mesh import record_patches, resolver_patches, trace_patches
from pywatt.mesh.client import MeshClient
from pywatt.mesh.table import MeshTable
from pywatt.mesh.table_file import VARIABLE, TableFile, inherited_table
from pywatt.service_type import ENTRY_POINT_GROUP, Prepares, ServiceType, imports_code, registered, uses_mesh
from pywatt.telemetry.instance import Instance, instance_variables
from pywatt.telemetry.outgoing import count_calls
from pywatt.worker.context import EXIT_ORPHAN, WorkerContext
from pywatt.worker.debugger import adapt_pdb, listen_for_editor
from pywatt.worker.heartbeat import Heartbeat
from pywatt.worker.launch_message import LaunchMessage
from pywatt.worker.process.descendant_mark import put_mark
from pywatt.worker.process.fork_signals import forget_signals_in_children
from pywatt.worker.process.prctl import die_with_parent
from pywatt.worker.process.process_exit import FAILURE_GRACE, ProcessExit
from pywatt.worker.process.sniffio_hint import asyncio_runs_here
from pywatt.worker.process.stale_bytecode import cache_settled_files_only
from pywatt.worker.process.startup_variables import make_good, need_new_interpreter, open_output
from pywatt.worker.process.tracing import start_tracing
from pywatt.worker.stack_dump import STACK_SIGNAL
from pywatt.worker.user_traceback import root_cause, trim

if TYPE_CHECKING:
    from pywatt.metrics.recorder import Recorder

EXIT_FAILURE = 1

logger = pywatt_logger("pywatt.worker")


def run(launch: LaunchMessage, descriptors: list[int]) -> int:
    """Run the worker to its end and return its exit status."""
    passed = dict(zip(launch.descriptors, descriptors, strict=True))
    os.setsid()  # a process group of its own: signals of the terminal stay away, grandchildren can be ended with it
    put_mark(launch.mark)
    die_with_parent()
    if os.getppid() != launch.supervisor_pid:
        return EXIT_ORPHAN
    _redirect_stdio(passed.pop("stdout"), passed.pop("stderr"), launch.env)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    service = launch.service
    if service.interpreter is not None or need_new_interpreter(launch.env, os.environ, service.path):
        from pywatt.worker.process.other_interpreter import exec_interpreter

        exec_interpreter(launch, passed)
        return EXIT_FAILURE  # it could not be run, and has said so
    return _run_service(launch, passed, registered()[launch.service.type])


def run_after_exec(launch: LaunchMessage, passed: Mapping[str, int], service_type: str) -> int:
    """Run the worker in the interpreter that it has become by now; `service_type`: the type's entry point."""
    _open_stdio(launch.env)
    return _run_service(launch, passed, EntryPoint(launch.service.type, service_type, ENTRY_POINT_GROUP))


def _run_service(launch: LaunchMessage, passed: Mapping[str, int], entry: EntryPoint) -> int:
    _enter_service(launch)
    configure_logging(launch.service.log_level, launch.service.logger.custom_levels)
    open_pywatt_loggers(python_level(launch.service.log_level))
    sockets = {name: socket.socket(fileno=descriptor) for name, descriptor in passed.items()}
    ending = ProcessExit()
    try:
        _serve(launch, sockets, entry, ending)
    except BaseException as error:  # noqa: BLE001 - the process ends here, and tells why
        cause = root_cause(error)
        ending.status = _status(cause)
        if ending.status and not isinstance(cause, _Terminated):
            _tell(cause)
    # The process ends by os._exit, which skips what Python does at its end.
    ending.end_within(FAILURE_GRACE if ending.status else launch.service.shutdown, at_most=True)
    ending.finish()
    return ending.status


def _serve(launch: LaunchMessage, sockets: dict[str, socket.socket], entry: EntryPoint, ending: ProcessExit) -> None:
    """Import the service, as any program is imported, then serve it in the event loop."""
    resolver_patches.install(lambda: launch.table)
    trace_patches.install()
    record_patches.install()
    table_file = TableFile()
    table_file.update(launch.table)
    os.environ[VARIABLE] = table_file.path
    os.register_at_fork(after_in_child=lambda: resolver_patches.install(inherited_table()))
    loop = resolver_patches.new_event_loop()
    start_tracing(launch, os.environ)
    # For code that asks for "the" loop while it is imported: what it puts there runs once the service does.
    asyncio.set_event_loop(loop)
    # An import blocks: nobody would read the supervisor's request to stop.
    signal.signal(signal.SIGTERM, _terminate)
    adapt_pdb(sockets.pop("terminal", None))
    if launch.service.debugged:
        sockets["channel"].sendall(frame(encode(Debugging(listen_for_editor()))))
    service_type: ServiceType = entry.load()
    probes = launch.service.probes
    hooks = any(probe and probe.hook for probe in (probes.startup, probes.liveness, probes.readiness))
    if not hooks and not imports_code(service_type):
        sys.path.remove(str(launch.service.path))
    options = launch.service.options
    if isinstance(service_type, Prepares):
        options = service_type.prepare(options)
    if loop.is_closed():
        loop = resolver_patches.new_event_loop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner, asyncio_runs_here():
        runner.run(_serve_in_loop(launch, sockets, service_type, options, ending, table_file))


class _Terminated(SystemExit):
    """SIGTERM while the application is imported; as SystemExit, which no import takes for a failure of its own."""


def _terminate(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    raise _Terminated(128 + number)  # the shell's number for it


def _status(error: BaseException) -> int:
    """Return the exit status that an error means: of `sys.exit(3)` it is 3, as in any program."""
    if not isinstance(error, SystemExit) or isinstance(error.code, str):
        return EXIT_FAILURE
    return (error.code or 0) & 0xFF


def _tell(error: BaseException) -> None:
    if isinstance(error, PywattError):
        # raised on purpose, by our own code: where is of no use to anybody
        logger.critical("%s%s", error.message, f" (fix: {error.hint})" if error.hint else "")
    else:
        cause = trim(error)
        logger.critical("%s: %s", type(cause).__name__, text_of(cause), exc_info=cause)


def _redirect_stdio(stdout: int, stderr: int, env: Mapping[str, str]) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((null, 0), (stdout, 1), (stderr, 2)):
        os.dup2(source, target)
        os.close(source)
    _open_stdio(env)


def _open_stdio(env: Mapping[str, str]) -> None:
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - stdin lives as long as the process
    sys.stdout, sys.stderr = open_output(1, env), open_output(2, env)
    faulthandler.enable()
    # In C, so that a worker whose event loop hangs answers too.
    faulthandler.register(STACK_SIGNAL, all_threads=True)


def _enter_service(launch: LaunchMessage) -> None:
    os.environ.clear()
    os.environ.update(launch.env)
    os.environ.update(instance_variables(launch.env, Instance(launch.service.id, launch.slot, os.getpid())))
    os.chdir(launch.service.path)
    if sys.path and sys.path[0] == "":
        del sys.path[0]
    sys.path.insert(0, str(launch.service.path))
    make_good(launch.env, launch.service.path)
    sys.argv = [f"pywatt {launch.service.id}"]
    importlib.invalidate_caches()
    cache_settled_files_only()


def _counted(folder: Path) -> tuple[Recorder, MeshClient, Heartbeat]:
    """Return the source of counters of a worker with that folder, and what counts for every type of service."""
    from pywatt.metrics.families import LOOP_DELAY
    from pywatt.metrics.recorder import Recorder
    from pywatt.worker.counted_kafka_clients import count_kafka_clients
    from pywatt.worker.counted_mesh_client import CountedMeshClient

    recorder, heartbeat = Recorder(folder), Heartbeat()
    delays = recorder.histogram(LOOP_DELAY)

    def observe(delay: float) -> None:
        delays.observe(delay)
        recorder.refresh()

    heartbeat.observe = observe
    client = CountedMeshClient(MeshTable(0), recorder)
    count_calls(client.begin_count)
    count_kafka_clients(recorder)
    return recorder, client, heartbeat


async def _serve_in_loop(
    launch: LaunchMessage,
    sockets: dict[str, socket.socket],
    service_type: ServiceType,
    options: object,
    ending: ProcessExit,
    table_file: TableFile,
) -> None:
    loop = asyncio.get_running_loop()
    recorder, client, heartbeat = (
        (None, MeshClient(MeshTable(0)), Heartbeat()) if launch.metrics is None else _counted(launch.metrics)
    )
    async with client as mesh, anyio.create_task_group() as tasks:
        context = WorkerContext(
            launch=launch,
            sockets=sockets,
            tasks=tasks,
            _mesh=mesh,
            _table=launch.table,
            on_stop=ending.end_within,
            on_table=table_file.update,
            heartbeat=heartbeat,
            metrics=recorder,
        )
        resolver_patches.install(context.names_table)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, partial(context.request_stop, launch.service.shutdown))
        forget_signals_in_children()
        async with open_channel(sockets.pop("channel"), context.receive, context.channel_closed) as channel:
            context.attach(channel)
            if uses_mesh(service_type):
                context.follow()
            if (plain := sockets.pop("redirect", None)) is not None:
                from pywatt.http.server.redirect import redirect

                tasks.start_soon(redirect, plain, sockets["public"].getsockname()[1], context.stop_requested())
            try:
                await service_type.serve(options, context)
                if not context.stopping:
                    logger.error("the service ended by itself")
            finally:
                context.detach()
        tasks.cancel_scope.cancel()
