"""An exchange of a route whose WebSockets go to an upstream of their own."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, cast

from pywatt.mesh.address import locate
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.routes import Route


class WebSocketExchange(ProxyExchange):
    """Passes a request on, a WebSocket's to another upstream; what the others have of upstreams is not for it."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    websocket_route: ClassVar[Route]

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on."""
        if self._request.websocket:
            self._route = self.websocket_route
            ProxyExchange.start(self, path, client, body, ended)
        else:
            super().start(path, client, body, ended)


def websocket_exchange(route: Route, url: str) -> type[ProxyExchange]:
    """Return the class of exchanges of a route whose WebSockets go to this origin."""
    location = locate(url)
    other = replace(
        route,
        destination=location.destination,
        authority=location.authority,
        sends_host=route.options.pass_host_header and not url.startswith("https:"),
    )
    return cast("type[ProxyExchange]", type("WebSocketExchange", (WebSocketExchange,), {"websocket_route": other}))
