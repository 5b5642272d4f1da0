"""Asks a server for the status of one GET, over a connection of its own; of the body, the begin is read at most."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack, suppress

from pywatt.errors import BadResponse, MeshError
from pywatt.http.client.address import Address, Location
from pywatt.http.client.call import write_request
from pywatt.http.client.connection import ClientConnection
from pywatt.http.client.dial import dial
from pywatt.http.client.limits import ClientLimits
from pywatt.http.response_reader import ResponseHead

BODY_SECONDS = 0.2
"""Seconds for which the body of an answer is waited for once its head has come."""
CLOSE = b"connection: close\r\n"


async def get_status(
    address: Address, authority: str, path: str, *, lines: bytes = b"", tls: ssl.SSLContext | None = None
) -> int:
    """Return the status that a GET is answered with; the caller sets the time limit.

    `lines`: further header lines. `tls`: for an address with TLS; default: the system's certificates.

    Raises OSError when the connection cannot be opened, MeshError when no status comes over it.
    """
    status, _ = await get_answer(address, authority, path, lines=lines, limit=0, timeout=None, tls=tls)
    return status


async def get_answer(
    address: Address,
    authority: str,
    path: str,
    *,
    lines: bytes = b"",
    limit: int,
    timeout: float | None,
    tls: ssl.SSLContext | None = None,
) -> tuple[int, bytes]:
    """Return the status, which must come within `timeout` seconds, and the first `limit` bytes of the body.

    A body that is cut off, or that takes long, gives what has come of it. Raises as `get_status` does, and
    TimeoutError.
    """
    location = Location(address, authority.encode(), path.encode())
    call = _StatusCall(str(address), limit)
    async with AsyncExitStack() as stack:
        async with asyncio.timeout(timeout):
            connection = await dial(call, address, tls=tls)
            stack.callback(connection.abandon)
            connection.send(call, write_request("GET", location, (), b"", lines + CLOSE), ended=True)
            status = await call.status
        if not limit:
            return status, b""
        with suppress(TimeoutError):
            async with asyncio.timeout(BODY_SECONDS):
                await call.ended.wait()
        return status, bytes(call.body[:limit])


class _StatusCall:
    """Owns a connection, and receives the head of one response over it, and the begin of its body."""

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.body = bytearray()
        self.ended = asyncio.Event()
        """Set when as much of the body has come as is wanted, or will come."""
        self._limit = limit
        self.response_head_limit = ClientLimits().response_head
        self.status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def limit_idle(self, seconds: float) -> None:
        """Ignore it: the connection is used once."""

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
        self.on_body(body, ended)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Keep its begin."""
        if not self.ended.is_set():
            self.body += body
            if ended or len(self.body) >= self._limit:
                self.ended.set()

    def on_raw(self, data: bytes) -> None:
        """Never called: the request does not ask for an upgrade."""

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Fail, unless the status line could be read all the same."""
        self.ended.set()
        if self.status.done():
            return
        if isinstance(error, BadResponse) and error.status is not None:
            self.status.set_result(error.status)
        else:
            self.status.set_exception(error)

    def on_writable(self, writable: bool) -> None:
        """Nothing to do: the request was written in one piece."""
