"""Debuggers that hold a worker: pdb at the terminal of `pywatt dev`, or an editor."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class Debuggers:
    """The debuggers of one worker."""

    port: int | None = None
    """The port on which the worker listens for an editor."""
    on_change: Callable[[], None] = lambda: None
    """Called when the worker begins or ends to be held."""
    _connections: set[socket.socket] = field(default_factory=set)

    @property
    def hold(self) -> bool:
        """Return whether one holds the worker, or an editor may: no sign of life can be expected of it then."""
        return bool(self._connections) or self.port is not None

    def listen(self, port: int) -> None:
        """Note that the worker listens for an editor."""
        self.port = port
        self.on_change()

    def begin(self, connection: socket.socket) -> None:
        """Note that a debugger holds the worker and reads its commands from this connection."""
        self._connections.add(connection)
        self.on_change()

    def finish(self, connection: socket.socket) -> None:
        """Note that the debugger has let the worker go on."""
        self._connections.discard(connection)
        self.on_change()

    def quit(self) -> None:
        """Give them the end of their input, at which they quit."""
        for connection in self._connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


Attend = Callable[[str, Debuggers, socket.socket], AbstractContextManager[None]]
"""Serves the requests of a worker's debuggers over a socket, until the context is left."""
