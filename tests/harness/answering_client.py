"""A MeshClient whose connections answer with bytes from a test."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Sequence

from pywatt.http.client.connection import ClientConnection
from pywatt.mesh.address import Destination
from pywatt.mesh.client import MeshClient
from pywatt.mesh.limits import MeshLimits
from pywatt.mesh.table import MeshTable


class _Wire(asyncio.Transport):
    """Lets each request be answered with the next pieces, after which the server closes."""

    def __init__(self, connection: ClientConnection, pieces: Sequence[bytes]) -> None:
        super().__init__()
        self._connection = connection
        self._pieces = pieces
        self._lost = False

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        asyncio.get_running_loop().call_soon(self._answer)

    def is_closing(self) -> bool:
        return self._lost

    def close(self) -> None:
        self._lose()

    def abort(self) -> None:
        self._lose()

    def _answer(self) -> None:
        for piece in self._pieces:
            if not self._lost:
                self._connection.data_received(piece)
        self._lose()

    def _lose(self) -> None:
        if not self._lost:
            self._lost = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)


class _Owner:
    name = "the target"
    response_head_limit = 64 * 1024

    def limit_idle(self, seconds: float) -> None:
        pass

    def exchange_ended(self, connection: ClientConnection) -> None:
        pass

    def closed(self, connection: ClientConnection) -> None:
        pass


class AnsweringClient(MeshClient):
    """Answers one call after the other with the next of these, each in pieces; the last one for ever."""

    def __init__(
        self, answers: Sequence[Sequence[bytes]], *, connected: bool = True, limits: MeshLimits | None = None
    ) -> None:
        """`connected`: True if there is an idle connection for every call."""
        super().__init__(MeshTable(0), limits=limits or MeshLimits())
        self._answers: Iterator[Sequence[bytes]] = iter(answers)
        self._last: Sequence[bytes] = ()
        self._connected = connected

    def take(self, destination: Destination) -> ClientConnection | None:
        """Return a connection that answers."""
        return self._made() if self._connected else None

    async def connect(self, destination: Destination, avoid: Collection[str] = ()) -> ClientConnection:
        """Return a connection that answers."""
        return self._made()

    def _made(self) -> ClientConnection:
        self._last = next(self._answers, self._last)
        connection = ClientConnection(_Owner())
        connection.connection_made(_Wire(connection, self._last))
        return connection
