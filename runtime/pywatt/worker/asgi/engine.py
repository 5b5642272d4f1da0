"""The interface between `serve_asgi` and an HTTP server, and the names of the known servers."""

from __future__ import annotations

import asyncio
import enum
import logging
import socket
from dataclasses import dataclass

from pywatt.http.tls.options import TlsOptions


class EngineName(enum.StrEnum):
    """The servers that can run an ASGI application. Key: `server.engine`."""

    UVICORN = "uvicorn"
    HYPERCORN = "hypercorn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The listening sockets of one worker; the engine owns them from now on."""

    mesh: tuple[socket.socket, ...]
    """Sockets for callers inside the app."""
    public: socket.socket | None
    backlog: int
    https: TlsOptions | None = None
    """TLS of the public socket; None: it is plain."""
    http2: bool = False
    """True if the public socket speaks HTTP/2, with TLS."""


def is_not_a_cancellation(record: logging.LogRecord) -> bool:
    """Return whether a log record is about anything but a cancelled task; a stop cancels tasks at its limit."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
