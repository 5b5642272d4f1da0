"""Opens a WebSocket to a service again, for a client that has one already."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from pywatt.errors import BadResponse, CallTimeout, MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead
from pywatt.http.websocket import accepts
from pywatt.mesh.address import Destination
from pywatt_services.gateway.gateway_context import Upstreams


class TunnelEnd(Protocol):
    """The receiver of the new connection's bytes."""

    def on_raw(self, data: bytes) -> None:
        """Take bytes from the service."""
        ...

    def survives(self, error: MeshError) -> bool:
        """Take the end of the connection; tell whether the WebSocket goes on."""
        ...

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Take the end of the WebSocket."""
        ...

    def on_writable(self, writable: bool) -> None:
        """Stop or go on writing."""
        ...


class Rehandshake:
    """One attempt: dials, sends the handshake, and checks the answer; then it passes everything on."""

    def __init__(
        self,
        end: TunnelEnd,
        head: bytes,
        key: bytes,
        protocol: bytes | None,
        *,
        done: Callable[[ClientConnection], None],
        failed: Callable[[MeshError], None],
    ) -> None:
        """`protocol`: the subprotocol that the client speaks; the service has to choose it again."""
        self._end = end
        self._head = head
        self._key = key
        self._protocol = protocol
        self._done = done
        self._failed = failed
        self._connection: ClientConnection | None = None
        self._dialing: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._open = False

    def start(self, upstreams: Upstreams, destination: Destination, timeout: float) -> None:
        """Begin; `timeout`: seconds for all of it."""
        self._timer = asyncio.get_running_loop().call_later(timeout, self._expire, timeout)
        self._dialing = upstreams.dial(destination, self._opened, self._give_up)

    def cancel(self) -> None:
        """Give up without a word."""
        self._stop_timer()
        if self._dialing is not None:
            self._dialing.cancel()
        if self._connection is not None and not self._open:
            self._connection.abandon()

    def on_informational(self, head: ResponseHead) -> None:
        """Ignore it."""

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Check the handshake."""
        connection = self._connection
        assert connection is not None
        good = head.status == SWITCHING_PROTOCOLS and head.upgrade == (b"websocket",)
        if good and accepts(self._key, head.headers) and subprotocol(head) == self._protocol:
            self._stop_timer()
            self._open = True
            self._done(connection)
            return
        if head.status == SWITCHING_PROTOCOLS or not ended:
            connection.abandon()
        self._give_up(BadResponse(f"the handshake was answered {head.status}"))

    def on_body(self, body: bytes, ended: bool) -> None:
        """Drop it: the response was no handshake."""

    def on_raw(self, data: bytes) -> None:
        """Pass it on."""
        if self._open:
            self._end.on_raw(data)

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Pass it on; before the handshake it is the end of this attempt."""
        if not self._open:
            self._connection = None
            self._give_up(error)
        elif not self._end.survives(error):
            self._end.on_failure(error, retriable)

    def on_writable(self, writable: bool) -> None:
        """Pass it on."""
        if self._open:
            self._end.on_writable(writable)

    def _opened(self, connection: ClientConnection) -> None:
        self._dialing = None
        self._connection = connection
        connection.send(self, self._head, ended=True, upgradable=True)

    def _expire(self, seconds: float) -> None:
        self.cancel()
        self._give_up(CallTimeout(f"no handshake within {seconds:g} s"))

    def _give_up(self, error: MeshError) -> None:
        self._stop_timer()
        self._failed(error)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()


def subprotocol(head: ResponseHead) -> bytes | None:
    """Return the subprotocol that a service has chosen."""
    return next((value for name, value in head.lower_headers() if name == b"sec-websocket-protocol"), None)
