"""The process that every worker is forked from: does their common imports once, then forks on request.

It forks twice, so that each worker becomes a child of the supervisor (a subreaper), which then gets the worker's real
exit status and keeps its workers when the forkserver dies. When the supervisor dies, the forkserver ends the process
group of every worker that is left, and descendants that have left those groups.

Requests and answers are frames over a stream socket: `preload` takes module names, `fork` takes a LaunchMessage and
descriptors and answers with the pid, `table` takes changes of the mesh table, `adopt` names process groups
that are not this forkserver's own and `forget` one that the supervisor saw end.
"""

from __future__ import annotations

import errno
import gc
import importlib
import os
import pickle
import signal
import socket
import struct
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from io import FileIO
from typing import NoReturn

from pywatt.mesh.table import MeshTable
from pywatt.worker.launch_message import LaunchMessage
from pywatt.worker.process.descendant_mark import end_marked, is_of_app, put_mark

MAX_DESCRIPTORS = 8
EXIT_UNKNOWN = 70
"""The forkserver was killed before the supervisor heard of the worker: EX_SOFTWARE of sysexits.h."""
HEADER = struct.Struct(">cI")
"""One letter for the request, then the length of its body."""
PRELOAD, FORK, TABLE, ADOPT, FORGET = b"p", b"f", b"t", b"a", b"x"
PID = struct.Struct(">i")
GO = b"g"
"""Tells a worker that the supervisor knows of it. Without it, it ends: the supervisor will have another one forked."""


@dataclass
class _Known:
    """The supervisor's instructions so far."""

    groups: set[int] = field(default_factory=set)
    """Process groups to end when it is gone."""
    table: MeshTable = field(default_factory=partial(MeshTable, 0))
    """The mesh table that a worker begins with: it costs nothing to inherit."""


def serve(control: int, app_mark: int) -> None:
    """Answer requests on the descriptor `control` until the supervisor is gone; `app_mark`: of the app's processes."""
    put_mark(app_mark)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sock = socket.socket(fileno=control)
    known = _Known()
    with suppress(EOFError, ConnectionError):
        while True:
            _answer(sock, known)
    # Only the supervisor holds the other end: it is gone, so nothing that it started may stay.
    for group in known.groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    end_marked(is_of_app(app_mark), but={os.getpid()})


def _answer(sock: socket.socket, known: _Known) -> None:
    header, descriptors, _, _ = socket.recv_fds(sock, HEADER.size, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    request, length = HEADER.unpack(header + _receive(sock, HEADER.size - len(header)))
    body = _receive(sock, length)
    if request == PRELOAD:
        _preload(pickle.loads(body))  # noqa: S301 - our own supervisor wrote it, over a private socket pair
    elif request == TABLE:
        known.table = known.table.after(pickle.loads(body))  # noqa: S301 - the same
    elif request == ADOPT:
        known.groups.update(pid for (pid,) in PID.iter_unpack(body))
    elif request == FORGET:
        known.groups.discard(PID.unpack(body)[0])
    elif request == FORK:
        _fork_worker(replace(LaunchMessage.from_bytes(body), table=known.table), descriptors, sock, known)


def _preload(modules: list[str]) -> None:
    for module in modules:
        try:
            importlib.import_module(module)
        except Exception as error:  # noqa: BLE001 - a module may raise anything, and the forkserver must live
            # The service that needs it fails with the same error, in its own log; the others need not care.
            print(f"cannot preload {module}: {error}", file=sys.stderr)
    # Objects made so far are never collected in the children, so their memory pages stay shared.
    gc.collect()
    gc.freeze()


def _fork_worker(launch: LaunchMessage, descriptors: list[int], sock: socket.socket, known: _Known) -> None:
    """Fork a worker and answer with its pid, or with the negative number of the error that prevents it."""
    try:
        if len(descriptors) != len(launch.descriptors):
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))  # the kernel drops those that there is no room for
        with ExitStack() as pipes:
            pid, go = _fork(launch, descriptors, sock.fileno(), pipes)
            known.groups.add(pid)
            sock.sendall(PID.pack(pid))
            with suppress(BrokenPipeError):  # it has ended already
                go.write(GO)
    except ConnectionError:
        raise
    except OSError as error:
        sock.sendall(PID.pack(-(error.errno or errno.EIO)))
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _fork(launch: LaunchMessage, descriptors: list[int], control: int, pipes: ExitStack) -> tuple[int, FileIO]:
    """Fork twice and return the pid of the grandchild, once the kernel has made it the supervisor's child.

    It waits for GO on the pipe whose other end is returned with it; `pipes` closes what this process opens. Raises
    OSError.
    """
    pid_reader, pid_writer = _pipe(pipes)
    go_reader, go_writer = _pipe(pipes)
    middle = os.fork()
    if middle == 0:
        try:
            worker = os.fork()
        except OSError as error:
            pid_writer.write(PID.pack(-(error.errno or errno.EIO)))
            os._exit(1)
        if worker:
            pid_writer.write(PID.pack(worker))
            os._exit(0)
        os.close(control)
        for pipe in (pid_reader, pid_writer, go_writer):
            pipe.close()
        if go_reader.read(len(GO)) != GO:
            os._exit(EXIT_UNKNOWN)
        go_reader.close()
        _become_worker(launch, descriptors)
    pid_writer.close()
    go_reader.close()
    answer = pid_reader.read(PID.size)
    os.waitpid(middle, 0)
    (pid,) = PID.unpack(answer) if answer else (-errno.ECHILD,)  # the one between was killed
    if pid < 0:
        raise OSError(-pid, os.strerror(-pid))
    return int(pid), go_writer


def _pipe(pipes: ExitStack) -> tuple[FileIO, FileIO]:
    """Return the two ends of a pipe, which are closed with the stack at the latest."""
    reader, writer = os.pipe()
    return pipes.enter_context(FileIO(reader, "r")), pipes.enter_context(FileIO(writer, "w"))


def _become_worker(launch: LaunchMessage, descriptors: list[int]) -> NoReturn:
    status = 1
    try:
        from pywatt.worker.process.main import run

        status = run(launch, descriptors)
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException as error:  # noqa: BLE001 - the process ends here: never return to the forkserver's loop
        sys.excepthook(type(error), error, error.__traceback__)
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _receive(sock: socket.socket, length: int) -> bytes:
    chunks = bytearray()
    while len(chunks) < length:
        chunk = sock.recv(length - len(chunks))
        if not chunk:
            raise EOFError
        chunks += chunk
    return bytes(chunks)
