"""An exchange of a route with timeouts: of the connection, the response's head, pauses in its body, and of the whole.

Until the response begins, the client gets 504; after that its connection is broken off. A WebSocket has no timeouts
once it is open.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import ClassVar, cast

from pywatt.errors import CallTimeout, MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.client.timeout_queue import TimeoutQueue
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.releasing_exchange import ReleasingExchange
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import AWAITING, CONNECTING, RESPONDING
from pywatt_services.gateway.upstreams.options import Timeouts
from pywatt_services.gateway.upstreams.registry import UpstreamRegistry

logger = logging.getLogger("pywatt.gateway")


class _Deadline:
    """The end of a stage, in a queue of all that have the same timeout."""

    __slots__ = ("_expired", "_queue")

    def __init__(self, queue: TimeoutQueue, expired: Callable[[float], None]) -> None:
        self._queue = queue
        self._expired = expired
        queue.add(self)

    def expire(self, seconds: float) -> None:
        """Tell the exchange."""
        self._expired(seconds)

    def restart(self) -> None:
        """Begin anew."""
        self._queue.remove(self)
        self._queue.add(self)

    def stop(self) -> None:
        """Take it out."""
        self._queue.remove(self)


class TimedExchange(ReleasingExchange):
    """Passes a request on, and gives up on an upstream that takes too long."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    timeouts: ClassVar[Timeouts]
    registry: ClassVar[UpstreamRegistry]
    _stage: _Deadline | None = None
    _whole: _Deadline | None = None
    _is_over = False
    """True once the whole request has taken too long."""
    _dial_failed: Callable[[MeshError], None] | None = None

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on."""
        if self.timeouts.request is not None:
            self._whole = _Deadline(self.registry.timeouts(self.timeouts.request), self._whole_expired)
        super().start(path, client, body, ended)

    def on_request_body(self, body: bytes, ended: bool) -> None:
        """Send more of the body on; with its end the response is waited for."""
        super().on_request_body(body, ended)
        if ended and self.state is AWAITING:
            self._begin_stage(self.timeouts.response, self._response_expired)

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on, and wait for the body."""
        self._begin_stage(None, self._body_expired)
        if head.status == SWITCHING_PROTOCOLS and self._whole is not None:
            self._whole.stop()
        super().on_response(head, body, ended)
        if self.state is RESPONDING and not self._upstream_paused:
            self._begin_stage(self.timeouts.idle, self._body_expired)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass more of the body on."""
        super().on_body(body, ended)
        if self._stage is not None and not self._upstream_paused and self.state is RESPONDING:
            self._stage.restart()

    def expire(self) -> None:
        """Give up on a service that does not respond, unless the route has a limit of its own for that."""
        if self.timeouts.response is None or self._is_over:
            super().expire()

    def _steer(self) -> None:
        """Measure no pauses that a slow client makes."""
        super()._steer()
        if self.state is not RESPONDING:
            return
        if self._upstream_paused:
            self._begin_stage(None, self._body_expired)
        elif self._stage is None:
            self._begin_stage(self.timeouts.idle, self._body_expired)

    def _connect(
        self, opened: Callable[[ClientConnection], None], failed: Callable[[MeshError], None]
    ) -> asyncio.Task[None]:
        self._dial_failed = failed
        self._begin_stage(self.timeouts.connect, self._connect_expired)
        return super()._connect(opened, failed)

    def _opened(self, connection: ClientConnection) -> None:
        self._begin_stage(None, self._response_expired)
        super()._opened(connection)
        if self._request_ended:
            self._begin_stage(self.timeouts.response, self._response_expired)

    def _release(self) -> None:
        super()._release()
        self._begin_stage(None, self._body_expired)
        if self._whole is not None:
            self._whole.stop()

    def _begin_stage(self, seconds: float | None, expired: Callable[[float], None]) -> None:
        if self._stage is not None:
            self._stage.stop()
        self._stage = None if seconds is None else _Deadline(self.registry.timeouts(seconds), expired)

    def _connect_expired(self, seconds: float) -> None:
        dialing, self._dialing = self._dialing, None
        if self.state is CONNECTING and dialing is not None and self._dial_failed is not None:
            dialing.cancel()
            self._dial_failed(CallTimeout(f"no connection to {self._route.destination} within {seconds:g} s"))

    def _response_expired(self, seconds: float) -> None:
        connection, self._connection = self._connection, None
        if self.state is AWAITING and connection is not None:
            connection.abandon()
            self._end_with(CallTimeout(f"no response from {self._route.destination} within {seconds:g} s"))

    def _body_expired(self, seconds: float) -> None:
        if self.state is RESPONDING:
            logger.warning("%s: the response paused for %g s", self._route.id, seconds)
            self._downstream.abort()

    def _whole_expired(self, seconds: float) -> None:
        if self.state is RESPONDING:
            logger.warning("%s: the request took longer than %g s", self._route.id, seconds)
            self._downstream.abort()
        elif self.state is CONNECTING or self.state is AWAITING:
            self._is_over = True
            self.expire()


def timed_exchange(timeouts: Timeouts, registry: UpstreamRegistry) -> type[ProxyExchange]:
    """Return the class of exchanges of a route with timeouts."""
    attributes = {"timeouts": timeouts, "registry": registry}
    return cast("type[ProxyExchange]", type("TimedExchange", (TimedExchange,), attributes))
