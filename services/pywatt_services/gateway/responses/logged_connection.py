"""A client's connection that logs the responses which the gateway itself gives: errors, and paths without a route."""

from __future__ import annotations

import time

from pywatt.http.headers import Headers
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt_services.gateway.access_log.entry import AccessEntry
from pywatt_services.gateway.connection import GatewayConnection
from pywatt_services.gateway.responses.logged_exchange import LoggedExchange


class LoggedConnection(GatewayConnection):
    """The gateway's side of one connection, with an access log."""

    _began_at: float | None = None
    """The time at which the head of the current request was complete."""
    _answered: LoggedExchange | None = None
    """The exchange whose request the gateway itself responds to."""

    def exchange_answered(self, status: int, headers: Headers, body: bytes) -> None:
        """Respond, then go on."""
        self._answer_for_exchange()
        super().exchange_answered(status, headers, body)
        self._answered = None

    def _on_request(self, head: RequestHead, body: bytes, ended: bool) -> None:
        self._began_at = time.perf_counter()
        super()._on_request(head, body, ended)

    def _refuse(self, error: RequestError) -> None:
        if not self._responding:
            self._answer_for_exchange()
        super()._refuse(error)
        self._answered = None

    def _leave(self) -> None:
        if isinstance(self._exchange, LoggedExchange):
            self._exchange.client = self._client_address  # it may not have started
        super()._leave()

    def _write_response(self, status: int, headers: Headers, body: bytes, *, keep: bool) -> None:
        super()._write_response(status, headers, body, keep=keep)
        log = self._server.access_log
        request = self._reader.head
        exchange = self._answered
        if log is None:
            return
        log.add(
            AccessEntry(
                ended_at=time.time(),
                seconds=0.0 if request is None or self._began_at is None else time.perf_counter() - self._began_at,
                ip=self._client_address.ip,
                trusted=self._client_address.trusted,
                request=request,
                status=status,
                sent=0 if request is not None and request.method == b"HEAD" else len(body),
                route="" if exchange is None else exchange.route_id,
                upstream_seconds=None if exchange is None else exchange.upstream_seconds,
                head=b"" if exchange is None else exchange.upstream_head,
                http2=self._client_address.http2,
            )
        )

    def _answer_for_exchange(self) -> None:
        exchange = self._exchange
        if isinstance(exchange, LoggedExchange):
            exchange.answered_by_gateway()
            self._answered = exchange
