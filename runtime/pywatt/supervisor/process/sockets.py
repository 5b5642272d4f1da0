"""The sockets that the supervisor owns: the public one, one on loopback per service, one endpoint per worker."""

from __future__ import annotations

import errno
import os
import socket
from contextlib import suppress
from pathlib import Path

from pywatt.config.model import ServerConfig
from pywatt.errors import AddressInUse, StartError
from pywatt.supervisor.process.kernel_limits import refused

LOOPBACK = "127.0.0.1"
LOOPBACK_BACKLOG = 2048


def open_public(server: ServerConfig, *, key: str = "server", port_key: str = "") -> socket.socket:
    """Return the listening socket of a config block with that key. `port_key`: of the port, if it is elsewhere.

    Raises AddressInUse, or StartError for an address that is not ours.
    """
    port = port_key or ("server.port (PORT)" if key == "server" else f"{key}.port")
    where = f"{server.hostname}:{server.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            server.hostname, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise StartError(
            f"cannot listen on {where}: the host name does not resolve ({error.strerror})",
            hint=f"set {key}.hostname to an address of this machine, such as 127.0.0.1 or 0.0.0.0",
        ) from error
    try:
        sock = socket.socket(family, kind, protocol)
    except OSError as error:
        raise refused(f"cannot listen on {where}", error) from error
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(server.backlog)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressInUse(
                f"cannot listen on {where}: another program already listens there",
                hint=f"stop that program, or set {port} to a free port; 0 takes any free one",
            ) from error
        hints = {
            errno.EACCES: f"ports below 1024 need the right to bind them; choose a higher {port}",
            errno.EADDRNOTAVAIL: f"set {key}.hostname to an address of this machine, such as 127.0.0.1 or 0.0.0.0",
        }
        raise StartError(f"cannot listen on {where}: {error.strerror}", hint=hints.get(error.errno or 0, "")) from error
    return sock


def open_loopback() -> socket.socket:
    """Return a listening loopback socket on a free port. Raises OSError."""
    return _listening(socket.AF_INET, (LOOPBACK, 0))


def open_endpoint(path: Path) -> socket.socket:
    """Return a listening unix socket. Raises OSError."""
    return _listening(socket.AF_UNIX, os.fspath(path))


def _listening(family: socket.AddressFamily, address: tuple[str, int] | str) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.bind(address)
        sock.listen(LOOPBACK_BACKLOG)
    except BaseException:
        sock.close()
        raise
    return sock


def public_url(sock: socket.socket, *, secure: bool = False) -> str:
    """Return the URL under which a listening socket can be reached."""
    host, port = sock.getsockname()[:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://[{host}]:{port}" if sock.family == socket.AF_INET6 else f"{scheme}://{host}:{port}"


def stop_listening(listener: socket.socket) -> None:
    """Refuse connections from now on, and keep the address for the next `listen`."""
    address = listener.getsockname()
    with suppress(OSError):  # it did not listen
        listener.shutdown(socket.SHUT_RDWR)
    with suppress(OSError):  # the kernel has kept a port that was asked for by its number
        listener.bind(address)
