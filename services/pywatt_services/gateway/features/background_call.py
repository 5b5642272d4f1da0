"""A call of the gateway itself: no client waits for its response, and no failure of it is told."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.response_reader import ResponseHead
from pywatt.mesh.address import Destination
from pywatt_services.gateway.gateway_context import Upstreams


class BackgroundCall(ABC):
    """One call; subclasses take its response."""

    def __init__(self) -> None:
        self._connection: ClientConnection | None = None
        """The connection while the call is under way; subclasses set it to None with the last piece of the body."""
        self._stop_dialing: Callable[[], object] | None = None

    def call(self, upstreams: Upstreams, destination: Destination, request: bytes, *, to_head: bool = False) -> None:
        """Send a whole request. `to_head`: its method is HEAD."""

        def opened(connection: ClientConnection) -> None:
            self._stop_dialing = None
            self._connection = connection
            connection.send(self, request, ended=True, to_head=to_head)

        connection = upstreams.take(destination)
        if connection is not None:
            opened(connection)
        else:
            self._stop_dialing = upstreams.dial(destination, opened, lambda _: self._end()).cancel

    def give_up(self) -> None:
        """End the call before its response is complete."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        elif self._stop_dialing is not None:
            self._stop_dialing()
        self._end()

    @abstractmethod
    def _end(self) -> None:
        """Forget the call, once."""

    # From the connection.

    @abstractmethod
    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Take the head, with the part of the body that came with it."""

    @abstractmethod
    def on_body(self, body: bytes, ended: bool) -> None:
        """Take more of the body."""

    def on_informational(self, head: ResponseHead) -> None:  # noqa: B027 - most calls ignore it
        """Ignore it."""

    def on_raw(self, data: bytes) -> None:  # noqa: B027 - most calls ignore it
        """Ignore it: the request does not ask for an upgrade."""

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """End the call."""
        self._connection = None
        self._end()

    def on_writable(self, writable: bool) -> None:  # noqa: B027 - most calls ignore it
        """Ignore it: the request was written in one piece."""
