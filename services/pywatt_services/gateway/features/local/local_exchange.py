"""An exchange that the gateway answers itself, as a service would: policies, counters and logs see a response."""

from __future__ import annotations

from pywatt.http.headers import Headers
from pywatt.http.response_reader import ResponseHead
from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import JSON
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import AWAITING, transition


class LocalExchange(ProxyExchange):
    """The base of features that answer; the body of a request is dropped."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    client: ClientAddress
    """For the access log."""

    def on_request_body(self, body: bytes, ended: bool) -> None:
        """Drop it."""
        self._request_ended = ended

    def _respond(
        self, status: int, headers: Headers, body: bytes = b"", *, length: int | None = None, ended: bool = True
    ) -> None:
        """Begin the response. `length`: of the whole body, if this is not all of it."""
        self.state = transition(self.state, AWAITING)
        size = None if status == 304 else len(body) if length is None else length
        head = ResponseHead(status, list(headers), size, until_close=False, keep_alive=True, dated=False)
        self.on_response(head, b"" if self._request.method == b"HEAD" else body, ended)

    def _respond_error(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        self._respond(status, (JSON, *headers), error_body(status, message))
