"""Asks a server for the status of one GET, over a connection of its own; the body is not read."""

from __future__ import annotations

import asyncio

from pywatt.errors import BadResponse, MeshError
from pywatt.http.client.address import Address, Location
from pywatt.http.client.call import write_request
from pywatt.http.client.connection import ClientConnection
from pywatt.http.client.dial import dial
from pywatt.http.client.limits import ClientLimits
from pywatt.http.response_reader import ResponseHead

CLOSE = b"connection: close\r\n"


async def get_status(address: Address, authority: str, path: str, *, lines: bytes = b"") -> int:
    """Return the status that a GET is answered with; the caller sets the time limit. `lines`: further header lines.

    Raises OSError when the connection cannot be opened, MeshError when no status comes over it.
    """
    location = Location(address, authority.encode(), path.encode())
    call = _StatusCall(str(address))
    connection = await dial(call, address)
    try:
        connection.send(call, write_request("GET", location, (), b"", lines + CLOSE), ended=True)
        return await call.status
    finally:
        connection.abandon()


class _StatusCall:
    """Owns a connection, and receives the head of one response over it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.response_head_limit = ClientLimits().response_head
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def exchange_ended(self, connection: ClientConnection) -> None:
        """Nothing to do: the connection is not used again."""

    def closed(self, connection: ClientConnection) -> None:
        """Nothing to do: `on_failure` says so."""

    def on_informational(self, head: ResponseHead) -> None:
        """Ignore it."""

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Keep the status."""
        if not self.status.done():
            self.status.set_result(head.status)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Ignore it."""

    def on_raw(self, data: bytes) -> None:
        """Never called: the request does not ask for an upgrade."""

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Fail, unless the status line could be read all the same."""
        if self.status.done():
            return
        if isinstance(error, BadResponse) and error.status is not None:
            self.status.set_result(error.status)
        else:
            self.status.set_exception(error)

    def on_writable(self, writable: bool) -> None:
        """Nothing to do: the request was written in one piece."""
