"""What `serve_asgi` asks of an HTTP server, and the names of those it knows."""

from __future__ import annotations

import asyncio
import enum
import logging
import socket
from dataclasses import dataclass


class EngineName(enum.StrEnum):
    """The servers that can run an ASGI application. Key: `server.engine`."""

    UVICORN = "uvicorn"
    HYPERCORN = "hypercorn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listeners:
    """The listening sockets of one worker; the engine owns them from now on."""

    mesh: tuple[socket.socket, ...]
    """For callers inside the app."""
    public: socket.socket | None
    backlog: int


def is_not_a_cancellation(record: logging.LogRecord) -> bool:
    """Whether a log record tells of something else than a task that was cancelled, as a stop does at its limit."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
