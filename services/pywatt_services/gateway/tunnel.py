"""What a service sends to a client over a WebSocket, passed on byte by byte; it can be ended between two frames."""

from __future__ import annotations

import enum
from collections.abc import Callable

from pywatt_services.gateway.frames import CLOSE_SERVICE_RESTART, FrameCursor


class TunnelState(enum.Enum):
    """How far a tunnel is from its end."""

    OPEN = enum.auto()
    CLOSING = enum.auto()
    """The close frame has to wait for the end of the frame that is on its way."""
    CLOSED = enum.auto()
    """The client has been told; what it still sends goes on to the service, so that this sees its close frame."""


class Tunnel:
    """The way from a service to a client after the upgrade."""

    __slots__ = ("_cursor", "_state", "_write")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        """`write`: sends bytes to the client."""
        self._write = write
        self._cursor = FrameCursor()
        self._state = TunnelState.OPEN

    def pass_on(self, data: bytes) -> bytes:
        """Send on what the service has sent; return what has to wait for the next turn of the event loop."""
        if self._state is TunnelState.CLOSED:
            return b""
        followed, end = self._cursor.feed(data)
        rest = data[followed:]
        if rest:
            data = data[:followed]
        if self._state is TunnelState.CLOSING and end is not None:
            self._state = TunnelState.CLOSED
            data, rest = data[:end] + CLOSE_SERVICE_RESTART, b""
        self._write(data)
        return rest

    def close(self) -> None:
        """Tell the client, as soon as no frame is on its way, that the service restarts."""
        if self._state is not TunnelState.OPEN:
            return
        if self._cursor.between:
            self._state = TunnelState.CLOSED
            self._write(CLOSE_SERVICE_RESTART)
        else:
            self._state = TunnelState.CLOSING
