"""Admits only programs of the app's own user, and root, to a service's loopback port.

The port is there for the app itself: for user code and its child processes, in any language, that know a service by
name. But any user of the machine can connect to it, past the gateway and its rules. So the kernel is asked whose socket
the other end is, by an exact look-up (sock_diag(7)); a socket that is closed already has no owner, and is refused.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import struct
from collections.abc import Callable
from functools import cache
from typing import cast

from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import JSON, write_response

Accept = Callable[[], asyncio.Protocol]
SOCK_DIAG_BY_FAMILY = 20
NLM_F_REQUEST = 1
NETLINK_SOCK_DIAG = 4
_HEADER = struct.Struct("=IHHII")
"""`nlmsghdr`: length, type, flags, sequence number, port."""
_REQUEST = struct.Struct("=BBBxIHH16s16sIII")
"""`inet_diag_req_v2`: family, protocol, extensions, states, ports, addresses, interface, cookie."""
_OWNER = struct.Struct("=II")
"""Uid and inode in an `inet_diag_msg`."""
_OWNER_OFFSET = _HEADER.size + 4 + 48 + 12
_ALL_STATES = 0xFFFFFFFF
_NO_COOKIE = 0xFFFFFFFF
ROOT = 0
REFUSAL = write_response(
    403,
    b"",
    [JSON, (b"connection", b"close")],
    error_body(403, "this port is for programs of the user that runs the app; its public address is for others"),
)

logger = logging.getLogger("pywatt.http")


class UnknownOwner(Exception):
    """The system cannot tell whose socket it is."""


def owner_of(client: tuple[str, int], server: tuple[str, int]) -> int | None:
    """Return the uid of the process at the client's end of a TCP connection; None when it has closed its end.

    Addresses are of IPv4, as in this network namespace. Raises UnknownOwner where there is no sock_diag.
    """
    request = _REQUEST.pack(
        socket.AF_INET,
        socket.IPPROTO_TCP,
        0,
        _ALL_STATES,
        socket.htons(client[1]),
        socket.htons(server[1]),
        socket.inet_aton(client[0]),
        socket.inet_aton(server[0]),
        0,
        _NO_COOKIE,
        _NO_COOKIE,
    )
    try:
        kernel = _kernel()
        kernel.send(_HEADER.pack(_HEADER.size + len(request), SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, 0, 0) + request)
        answer = kernel.recv(4096, socket.MSG_DONTWAIT)  # it is there before `send` returns
    except (AttributeError, OSError) as error:  # AttributeError: not Linux
        raise UnknownOwner from error
    _, kind, *_ = _HEADER.unpack_from(answer)
    if kind != SOCK_DIAG_BY_FAMILY:
        return None
    uid, inode = _OWNER.unpack_from(answer, _OWNER_OFFSET)
    return int(uid) if inode else None


@cache
def _kernel() -> socket.socket:
    return socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_SOCK_DIAG)


def is_own(client: tuple[str, int] | None, server: tuple[str, int] | None) -> bool:
    """Tell whether a connection to a loopback port is of the app's own user, or of root."""
    if not client or not server:
        return False  # the client has left already
    try:
        return owner_of(client, server) in (os.getuid(), ROOT)
    except UnknownOwner:
        _warn()
        return True


@cache
def _warn() -> None:
    logger.warning("this system cannot tell whose a loopback connection is: any of its users can reach the services")


class _Door(asyncio.Protocol):
    """Looks at a new connection, then hands it to the protocol that serves it."""

    def __init__(self, accept: Accept) -> None:
        self._accept = accept

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)  # uvloop's is none, but does all that one does
        if not is_own(made.get_extra_info("peername"), made.get_extra_info("sockname")):
            made.write(REFUSAL)
            made.close()
            return
        protocol = self._accept()
        made.set_protocol(protocol)
        protocol.connection_made(made)


def own_user_only(sock: socket.socket, accept: Accept) -> Accept:
    """Return what makes the protocol of a new connection to a listening socket, after a look at its user.

    Unix sockets need no look: their folder is the user's own.
    """
    return accept if sock.family == socket.AF_UNIX else lambda: _Door(accept)
