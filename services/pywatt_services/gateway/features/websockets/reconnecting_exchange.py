"""An exchange whose WebSocket outlives its connection to the service: it is opened again, and the client stays.

Pings tell whether the service is still there. A WebSocket with a message on its way, in either direction, cannot go on
over another connection; it ends as others do. Nor can compression, which remembers what went before: it is not offered.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, cast

from pywatt.backoff import backoff
from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection, Receiver
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.releasing_exchange import ReleasingExchange
from pywatt_services.gateway.features.upstreams.attempt import Passing, WrappingConnection
from pywatt_services.gateway.features.websockets.rehandshake import Rehandshake, subprotocol
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import TUNNEL
from pywatt_services.gateway.tunnel.messages import CLOSE, PONG, MessageCursor, ping
from pywatt_services.gateway.upstreams.options import Reconnect

OURS = b"pywatt ping"
"""Payload of the gateway's own pings; the pongs to these are not for the client."""
LONGEST_PAUSE = 30.0
"""Seconds between two attempts, at most."""
MOST_WAITING = 256 * 1024
"""Bytes of a client that wait for the connection; the WebSocket ends with more."""

logger = logging.getLogger("pywatt.gateway")


class ReconnectingExchange(ReleasingExchange):
    """Passes a WebSocket on, over one connection after the other."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    reconnect: ClassVar[Reconnect]
    _from_service: MessageCursor | None = None
    """None until the WebSocket is open."""
    _timer: asyncio.TimerHandle | None = None
    """The next ping, or the next attempt."""
    _attempt_to_open: Rehandshake | None = None
    _ponged = True
    _retry_number = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._waiting = bytearray()
        self._from_client = MessageCursor(lambda _opcode, _payload: True)
        self._unread = b""
        """Bytes of the client that are not followed yet."""
        self._held_back = b""
        """Bytes of the service that are not followed yet."""

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on; a WebSocket's without an offer of compression."""
        request = self._request
        if request.websocket:
            kept = [header for header in request.headers if header[0].lower() != b"sec-websocket-extensions"]
            self._request = replace(request, headers=kept)
        super().start(path, client, body, ended)

    def on_client_raw(self, data: bytes) -> None:
        """Pass bytes on, or keep them until there is a connection."""
        if self._unread:
            self._unread += data
            return
        passed, self._unread = self._from_client.feed(data)
        if self._unread:
            # Of many small frames, some in each turn of the event loop.
            self._downstream.pause_reading()
            asyncio.get_running_loop().call_soon(self._follow_client)
        if self._connection is not None:
            super().on_client_raw(passed)
        elif self._from_client.closed:
            self._give_up("the client has closed it")
        elif len(self._waiting) + len(passed) <= MOST_WAITING:
            self._waiting += passed
        else:
            self._give_up("the client has sent too much in the meantime")

    def on_raw(self, data: bytes) -> None:
        """Pass bytes on, without the pongs to our pings."""
        cursor = self._from_service
        if cursor is None:
            return
        if self._held_back:
            self._held_back += data
            return
        passed, self._held_back = cursor.feed(data)
        if self._held_back:
            if self._connection is not None:
                self._connection.pause_reading()
            asyncio.get_running_loop().call_soon(self._follow_service)
        if passed:
            super().on_raw(passed)

    def read_held(self) -> None:
        """Pass more frames on, which were followed already."""
        if self.state is TUNNEL:
            rest, self._tunnel.rest = self._tunnel.rest, b""
            super().on_raw(rest)

    def survives(self, error: MeshError) -> bool:
        """Take the end of the connection; tell whether the WebSocket goes on."""
        cursor = self._from_service
        if self.state is not TUNNEL or cursor is None:
            return False
        self._stop_timer()
        while self._held_back:
            passed, self._held_back = cursor.feed(self._held_back)
            super().on_raw(passed)
        closed = (cursor.closed and not self.reconnect.on_close) or self._from_client.closed
        if closed or not (cursor.between and self._from_client.between):
            return False
        self._connection = None
        self._log(f"the connection to the service is lost: {error.message}")
        self._retry_number = 0
        self._try_again_later(error.message)
        return True

    def _opened(self, connection: ClientConnection) -> None:
        if not self._request.websocket:
            super()._opened(connection)
            return
        super()._opened(WrappingConnection(connection, partial(_Surviving, self)).as_connection)
        self._connection = connection

    def _upgrade(self, head: ResponseHead) -> None:
        super()._upgrade(head)
        if self.state is TUNNEL:
            self._protocol = subprotocol(head)
            self._begin()

    def _release(self) -> None:
        super()._release()
        self._stop_timer()
        attempt, self._attempt_to_open = self._attempt_to_open, None
        if attempt is not None:
            attempt.cancel()

    def _begin(self) -> None:
        """Follow a new connection, and ping."""
        self._from_service = MessageCursor(self._takes_control_frame)
        self._ponged = True
        self._ping_later()

    def _takes_control_frame(self, opcode: int, payload: bytes) -> bool:
        if opcode == PONG and payload == OURS:
            self._ponged = True
            return False
        if opcode == CLOSE and self.reconnect.on_close:
            # Another connection makes it good, so it is not for the client, which could not answer it.
            if self._connection is not None:
                asyncio.get_running_loop().call_soon(self._connection.reset)
            return False
        return True

    def _ping_later(self) -> None:
        if self.reconnect.ping_interval:
            self._timer = asyncio.get_running_loop().call_later(self.reconnect.ping_interval, self._ping)

    def _ping(self) -> None:
        connection = self._connection
        if connection is None:
            return
        if not self._ponged:
            connection.reset()  # `survives` goes on
            return
        if self._from_client.between_frames and not self._unread:
            self._ponged = False
            connection.write(ping(OURS), ended=False)
        self._ping_later()

    def _try_again_later(self, why: str) -> None:
        rules = self.reconnect
        if rules.retries is not None and self._retry_number >= rules.retries:
            self._give_up(why)
            return
        delay = backoff(self._retry_number, first=rules.interval, longest=LONGEST_PAUSE, factor=rules.decay)
        self._retry_number += 1
        self._timer = asyncio.get_running_loop().call_later(delay, self._try_again)

    def _try_again(self) -> None:
        self._attempt_to_open = Rehandshake(
            self, self._head, self._key, self._protocol, done=self._reconnected, failed=self._not_reconnected
        )
        self._attempt_to_open.start(self._context.upstreams, self._route.destination, self.reconnect.timeout)

    def _reconnected(self, connection: ClientConnection) -> None:
        self._attempt_to_open = None
        self._log("the connection to the service is open again")
        self._connection = connection
        self._upstream_paused = False
        self._begin()
        if self._waiting:
            waiting = bytes(self._waiting)
            self._waiting.clear()
            connection.write(waiting, ended=False)
        self._steer()

    def _not_reconnected(self, error: MeshError) -> None:
        self._attempt_to_open = None
        self._try_again_later(error.message)

    def _give_up(self, why: str) -> None:
        self._stop_timer()
        logger.warning("%s: a WebSocket ends: %s", self._route.id, why)
        self._from_service = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        self.on_failure(MeshError(why), False)

    def _follow_client(self) -> None:
        unread, self._unread = self._unread, b""
        if self.state is TUNNEL:
            self.on_client_raw(unread)
            if not self._unread:
                self._downstream.resume_reading()

    def _follow_service(self) -> None:
        held, self._held_back = self._held_back, b""
        if self.state is TUNNEL:
            self.on_raw(held)
            if not self._held_back and self._connection is not None and not self._upstream_paused:
                self._connection.resume_reading()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _log(self, text: str) -> None:
        if self.reconnect.logs:
            logger.info("%s: %s", self._route.id, text)


class _Surviving(Passing):
    """Receives what comes over the first connection; its end is not always that of the WebSocket."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: ReconnectingExchange, receiver: Receiver) -> None:
        super().__init__(receiver)
        self._exchange = exchange

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Pass it on, unless the WebSocket goes on."""
        if not self._exchange.survives(error):
            self._receiver.on_failure(error, retriable)


def reconnecting_exchange(options: Reconnect) -> type[ProxyExchange]:
    """Return the class of exchanges of a route whose WebSockets are opened again."""
    return cast("type[ProxyExchange]", type("ReconnectingExchange", (ReconnectingExchange,), {"reconnect": options}))
