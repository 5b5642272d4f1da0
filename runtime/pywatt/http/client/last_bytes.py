"""Reads what a server sent before it closed a connection on which the client was still writing.

A server that responds in the middle of an upload, and closes, breaks the connection for whoever still writes: the event
loop gives it up at the failed write, with the response unread in the kernel.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

PIECE = 64 * 1024
LIMIT = 8 * 1024 * 1024
"""Bytes that are read after the connection broke; the kernel holds fewer."""


def read_last(transport: asyncio.BaseTransport, take: Callable[[bytes], bool], lost: Exception) -> Exception | None:
    """Read the rest; return None at the end of the server's bytes, else the error: `lost`, or one of reading.

    `take` gets each piece, and returns whether more is wanted. Of a TLS connection nothing is read: what the kernel
    holds is encrypted.
    """
    sock: socket.socket | None = transport.get_extra_info("socket")
    if sock is None or transport.get_extra_info("ssl_object") is not None:
        return lost
    read = 0
    while read < LIMIT:
        try:
            data = os.read(sock.fileno(), PIECE)
        except ConnectionResetError as error:
            # From a unix socket nothing gets lost: the server closed, and had not read everything.
            return None if sock.family == socket.AF_UNIX else error
        except OSError as error:
            return error
        if not data:
            return None
        read += len(data)
        if not take(data):
            break
    return lost
