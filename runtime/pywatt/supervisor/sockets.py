"""The sockets that the supervisor owns: the public one, one on loopback per service, one endpoint per worker."""

from __future__ import annotations

import errno
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pywatt.config.model import ServerConfig
from pywatt.errors import AddressInUse, StartError

LOOPBACK = "127.0.0.1"
LOOPBACK_BACKLOG = 2048
RUNTIME_DIR = "PYWATT_RUNTIME_DIR"
"""Variable that names another folder for the sockets of running apps, where /tmp cannot be used."""

LONGEST_RUNTIME_DIR = 80
"""Bytes: with a pid and a worker's name behind it, a socket's path must stay below 108."""


def open_public(server: ServerConfig) -> socket.socket:
    """Return the app's listening socket. Raises AddressInUse, or StartError for an address that is not ours."""
    where = f"{server.hostname}:{server.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            server.hostname, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise StartError(
            f"cannot listen on {where}: the host name does not resolve ({error.strerror})",
            hint="set server.hostname to an address of this machine, such as 127.0.0.1 or 0.0.0.0",
        ) from error
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(server.backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"cannot listen on {where}: another program already listens there",
                hint="stop that program, or set server.port (PORT) to a free port; 0 takes any free one",
            ) from error
        hints = {
            errno.EACCES: "ports below 1024 need the right to bind them; choose a higher server.port",
            errno.EADDRNOTAVAIL: "set server.hostname to an address of this machine, such as 127.0.0.1 or 0.0.0.0",
        }
        raise StartError(f"cannot listen on {where}: {error.strerror}", hint=hints.get(error.errno or 0, "")) from error
    return sock


def open_loopback() -> socket.socket:
    """Return a listening loopback socket on a free port."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.bind((LOOPBACK, 0))
    sock.listen(LOOPBACK_BACKLOG)
    return sock


def open_endpoint(path: Path) -> socket.socket:
    """Return a listening unix socket."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(os.fspath(path))
    sock.listen(LOOPBACK_BACKLOG)
    return sock


def public_url(sock: socket.socket) -> str:
    """Return the URL under which a listening socket can be reached."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if sock.family == socket.AF_INET6 else f"http://{host}:{port}"


def runtimes_folder() -> Path:
    """Return the folder that holds one folder per running app of this user, named by its pid."""
    # A fixed short place: a unix socket's path must stay below 108 bytes, and TMPDIR can be long.
    default = f"/tmp/pywatt-{os.getuid()}"  # noqa: S108 - whoever uses it checks that it is ours alone
    return Path(os.environ.get(RUNTIME_DIR) or default).absolute()


@contextmanager
def runtime_folder() -> Iterator[Path]:
    """Make this runtime's folder for sockets, open to its own user only, and remove it at the end.

    Folders of runtimes that were killed are removed on the way.
    """
    base = runtimes_folder()
    if len(os.fsencode(base)) > LONGEST_RUNTIME_DIR:
        raise StartError(
            f"{base} is too long for the names of sockets in it",
            hint=f"set {RUNTIME_DIR} to a folder of at most {LONGEST_RUNTIME_DIR} bytes",
        )
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _no_folder(base, error) from error
    status = base.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or not base.is_dir() or base.is_symlink():
        raise StartError(f"{base} belongs to somebody else or is open to others", hint=f"remove {base}")
    for left_over in base.iterdir():
        if left_over.name.isdigit() and not Path("/proc", left_over.name).exists():
            shutil.rmtree(left_over, ignore_errors=True)
    folder = base / str(os.getpid())
    shutil.rmtree(folder, ignore_errors=True)
    try:
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise _no_folder(folder, error) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        with suppress(OSError):
            base.rmdir()


def _no_folder(folder: Path, error: OSError) -> StartError:
    return StartError(
        f"cannot make the folder for the app's sockets: {folder}: {error.strerror}",
        hint=f"set {RUNTIME_DIR} to a folder that this user may write to, with a short path",
    )
