"""An exchange that redirects its client."""

from __future__ import annotations

from typing import ClassVar, cast

from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.local_exchange import LocalExchange
from pywatt_services.gateway.forwarding import outer_prefix
from pywatt_services.gateway.local_answers.options import RedirectOptions
from pywatt_services.gateway.local_answers.redirect import location
from pywatt_services.gateway.proxy_exchange import ProxyExchange


class RedirectExchange(LocalExchange):
    """Answers with the address of another place."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    redirect: ClassVar[RedirectOptions]

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Answer at once."""
        self._request_ended = ended
        request, options = self._request, self.redirect
        if not request.authority and "{host}" in options.to:
            self._respond_error(400, "the request names no host")
            return
        base_path = outer_prefix(request) + self._base_path if client.trusted else self._base_path
        rest = path[len(self._route.prefix) :]
        target = location(options, host=request.authority, base_path=base_path, path=rest, query=request.query)
        self._respond(options.status, [(b"location", target)])


def redirect_exchange(options: RedirectOptions) -> type[ProxyExchange]:
    """Return the class of exchanges that redirect."""
    return cast("type[ProxyExchange]", type("RedirectExchange", (RedirectExchange,), {"redirect": options}))
