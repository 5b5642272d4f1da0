"""An exchange that redirects its client."""

from __future__ import annotations

from typing import ClassVar, cast

from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.local.local_exchange import LocalExchange
from pywatt_services.gateway.forwarding import outer_prefix
from pywatt_services.gateway.local_answers.options import HOST, RedirectOptions
from pywatt_services.gateway.local_answers.redirect import location
from pywatt_services.gateway.proxy_exchange import ProxyExchange


class RedirectExchange(LocalExchange):
    """Answers with the address of another place."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    redirect: ClassVar[RedirectOptions]

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Answer at once."""
        self._request_ended = ended
        self.client = client
        request, options = self._request, self.redirect
        if not request.authority and HOST in options.to:
            self._respond_error(400, "the request names no host")
            return
        base_path = outer_prefix(request) + self._base_path if client.trusted else self._base_path
        prefix, host, query = self._route.prefix, request.authority, request.query
        target = location(options, host=host, base_path=base_path, path=path, prefix=prefix, query=query)
        self._respond(options.status, [(b"location", target)])


def redirect_exchange(options: RedirectOptions) -> type[ProxyExchange]:
    """Return the class of exchanges that redirect."""
    return cast("type[ProxyExchange]", type("RedirectExchange", (RedirectExchange,), {"redirect": options}))
