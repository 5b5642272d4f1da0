"""An exchange that answers with the documentation of the app's services."""

from __future__ import annotations

from typing import ClassVar, cast

from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.openapi.documents import ApiDocuments
from pywatt_services.gateway.openapi.page import answer
from pywatt_services.gateway.proxy_exchange import ProxyExchange


class DocumentationExchange(ProxyExchange):
    """Answers in place of a service."""

    documents: ClassVar[ApiDocuments]

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Answer at once."""
        request, prefix = self._request, self._route.prefix
        none_match = b", ".join(value for name, value in request.headers if name.lower() == b"if-none-match")
        self.answer(*answer(request.method, path[len(prefix) :], prefix, none_match, self.documents.rendered))


def documentation_exchange(documents: ApiDocuments) -> type[ProxyExchange]:
    """Return the class of exchanges that answer with these documents."""
    return cast(
        "type[ProxyExchange]", type("DocumentationExchange", (DocumentationExchange,), {"documents": documents})
    )
