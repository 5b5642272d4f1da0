"""An exchange that is logged once it has ended; a response that the gateway itself gives is its connection's to log."""

from __future__ import annotations

import time
from typing import Any, ClassVar, cast

from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.response_reader import SWITCHING_PROTOCOLS, ResponseHead
from pywatt_services.gateway.access_log.access_log import AccessLog
from pywatt_services.gateway.access_log.entry import CLIENT_CLOSED, AccessEntry
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import AWAITING, CONNECTING, ENDED, RESPONDING, TUNNEL


def logged_exchange(log: AccessLog, plain: type[ProxyExchange]) -> type[ProxyExchange]:
    """Return the class of exchanges that do what `plain` does, and are logged, with what is left of the body then."""
    bases = (LoggedExchange,) if plain is ProxyExchange else (plain, LoggedExchange)
    return cast("type[ProxyExchange]", type("LoggedExchange", bases, {"log": log}))


class LoggedExchange(ProxyExchange):
    """Passes a request on, and logs it."""

    # Without slots, which would keep it from being joined with another class that has some.

    log: ClassVar[AccessLog]
    client = ClientAddress(b"", False)
    upstream_seconds: float | None = None
    """Time until the head of the service's response; None without one."""
    _sent_on = False
    """True when a service got the request; another response is a stored one, or the gateway's own."""
    _status = 0
    _sent = 0
    _answered_by_gateway = False
    _logged = False

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.began_at = time.perf_counter()

    @property
    def upstream_head(self) -> bytes:
        """The head of the request as the service got it."""
        return self._head

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on."""
        self.client = client
        super().start(path, client, body, ended)

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on, with the part of the body that came with it."""
        self._status = head.status
        if self._sent_on:
            self.upstream_seconds = time.perf_counter() - self.began_at
        self._sent = len(body)
        super().on_response(head, body, ended)
        if ended and head.status != SWITCHING_PROTOCOLS:
            self._log()

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass more of the body on."""
        self._sent += len(body)
        super().on_body(body, ended)
        if ended:
            self._log()

    def on_raw(self, data: bytes) -> None:
        """Pass bytes of a tunnel on."""
        self._sent += len(data)
        super().on_raw(data)

    def cancel(self) -> None:
        """Give up: the client is gone, or was responded to."""
        state = self.state
        super().cancel()
        if state is not ENDED and not self._answered_by_gateway:
            if state is CONNECTING or state is AWAITING:
                self._status = CLIENT_CLOSED
            self._log(complete=False)

    def end_tunnel(self) -> None:
        """Close the service's side of a tunnel once everything was sent."""
        super().end_tunnel()
        self._log()

    def end_events(self) -> None:
        """End a stream of server-sent events as the service would."""
        ends = self.state is RESPONDING and self._response.is_event_stream
        super().end_events()
        if ends:
            self._log()

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Try again where nothing can have happened, else end the response or respond with an error."""
        state = self.state
        super().on_failure(error, retriable)
        if state is TUNNEL or state is RESPONDING:
            self._log(complete=state is TUNNEL)

    def answered_by_gateway(self) -> None:
        """Leave it to the gateway to log its response to this request."""
        self._answered_by_gateway = True

    def _log(self, *, complete: bool = True) -> None:
        if self._logged or self._answered_by_gateway:
            return
        self._logged = True
        self.log.add(
            AccessEntry(
                ended_at=time.time(),
                seconds=time.perf_counter() - self.began_at,
                ip=self.client.ip,
                trusted=self.client.trusted,
                request=self._request,
                status=self._status,
                sent=self._sent,
                route=self._route.id,
                upstream_seconds=self.upstream_seconds,
                head=self._head,
                complete=complete,
                http2=self.client.http2,
            )
        )

    def _opened(self, connection: ClientConnection) -> None:
        self._sent_on = True
        self.upstream_seconds = None
        super()._opened(connection)
