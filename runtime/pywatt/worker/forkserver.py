"""The process that every worker is forked from: imports once what all of them need, then forks on request.

It forks twice, so that each worker becomes a child of the supervisor (a subreaper), which then gets the worker's real
exit status and keeps its workers when the forkserver dies. When the supervisor dies, the forkserver ends the process
group of every worker that is left.

Requests and answers are frames over a stream socket: `preload` takes module names, `fork` takes a WorkerSpec and
descriptors and answers with the pid, `adopt` names process groups that are not this forkserver's own and `forget` one
that the supervisor saw end.
"""

from __future__ import annotations

import gc
import importlib
import os
import pickle
import signal
import socket
import struct
import sys
from contextlib import suppress
from typing import NoReturn

from pywatt.worker.spec import WorkerSpec

MAX_DESCRIPTORS = 8
EXIT_UNKNOWN = 70
"""The forkserver was killed before the supervisor heard of the worker: EX_SOFTWARE of sysexits.h."""
HEADER = struct.Struct(">cI")
"""One letter for the request, then the length of its body."""
PRELOAD, FORK, ADOPT, FORGET = b"p", b"f", b"a", b"x"
PID = struct.Struct(">i")
GO = b"g"
"""Tells a worker that the supervisor knows of it. Without it, it ends: the supervisor will have another one forked."""


def serve(control: int) -> None:
    """Answer requests on the descriptor `control` until the supervisor is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sock = socket.socket(fileno=control)
    groups: set[int] = set()
    with suppress(EOFError, ConnectionError):
        while True:
            _answer(sock, groups)
    # Only the supervisor holds the other end: it is gone, so nothing that it started may stay.
    for group in groups:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


def _answer(sock: socket.socket, groups: set[int]) -> None:
    header, descriptors, _, _ = socket.recv_fds(sock, HEADER.size, MAX_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC)
    request, length = HEADER.unpack(header + _receive(sock, HEADER.size - len(header)))
    body = _receive(sock, length)
    if request == PRELOAD:
        _preload(pickle.loads(body))  # noqa: S301 - our own supervisor wrote it, over a private socket pair
    elif request == ADOPT:
        groups.update(pid for (pid,) in PID.iter_unpack(body))
    elif request == FORGET:
        groups.discard(PID.unpack(body)[0])
    elif request == FORK:
        pid, go = _fork(WorkerSpec.from_bytes(body), descriptors, sock.fileno())
        groups.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        sock.sendall(PID.pack(pid))
        with suppress(BrokenPipeError):  # it has ended already
            os.write(go, GO)
        os.close(go)


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


def _fork(spec: WorkerSpec, descriptors: list[int], control: int) -> tuple[int, int]:
    """Fork twice and return the pid of the grandchild, once the kernel has made it the supervisor's child.

    It waits for GO on the pipe whose other end is returned with it.
    """
    pid_reader, pid_writer = os.pipe()
    go_reader, go_writer = os.pipe()
    middle = os.fork()
    if middle == 0:
        worker = os.fork()
        if worker:
            os.write(pid_writer, PID.pack(worker))
            os._exit(0)
        for descriptor in (control, pid_reader, pid_writer, go_writer):
            os.close(descriptor)
        if os.read(go_reader, len(GO)) != GO:
            os._exit(EXIT_UNKNOWN)
        os.close(go_reader)
        _become_worker(spec, descriptors)
    os.close(pid_writer)
    os.close(go_reader)
    (pid,) = PID.unpack(os.read(pid_reader, PID.size))
    os.close(pid_reader)
    os.waitpid(middle, 0)
    return int(pid), go_writer


def _become_worker(spec: WorkerSpec, descriptors: list[int]) -> NoReturn:
    status = 1
    try:
        from pywatt.worker.main import run

        status = run(spec, descriptors)
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
