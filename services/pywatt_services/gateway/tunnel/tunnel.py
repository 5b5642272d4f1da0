"""The bytes that a service sends to a client over a WebSocket; a tunnel can be ended between two frames."""

from __future__ import annotations

import enum
from collections.abc import Callable

from pywatt_services.gateway.tunnel.frames import CLOSE_SERVICE_RESTART, FrameCursor


class TunnelState(enum.Enum):
    """The distance of a tunnel from its end."""

    OPEN = enum.auto()
    CLOSING = enum.auto()
    """The close frame has to wait for the end of the frame that is on its way."""
    CLOSED = enum.auto()
    """The client has been told; bytes that it still sends go on to the service, so that this sees its close frame."""


class Tunnel:
    """The way from a service to a client after the upgrade."""

    __slots__ = ("_cursor", "_state", "_write", "rest")

    def __init__(self, write: Callable[[bytes], None]) -> None:
        """`write`: sends bytes to the client."""
        self._write = write
        self._cursor = FrameCursor()
        self._state = TunnelState.OPEN
        self.rest = b""
        """Bytes that the service has sent and that are not passed on yet: they hold many small frames."""

    def pass_on(self, data: bytes) -> None:
        """Send bytes on; of many small frames the first, and keep the others in `rest`."""
        self.rest = self._pass_some_on(data)

    def pass_rest_on(self) -> None:
        """Send all that is left."""
        while self.rest:
            self.rest = self._pass_some_on(self.rest)

    def close(self) -> None:
        """Tell the client, as soon as no frame is on its way, that the service restarts."""
        if self._state is not TunnelState.OPEN:
            return
        if self._cursor.between:
            self._state = TunnelState.CLOSED
            self._write(CLOSE_SERVICE_RESTART)
        else:
            self._state = TunnelState.CLOSING

    def _pass_some_on(self, data: bytes) -> bytes:
        """Send bytes on; return those that have to wait for the next turn of the event loop."""
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
