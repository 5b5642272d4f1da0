"""Routes HTTP requests: `POST /topics/:topic`, the paths of `requestResponse`, and the admin API."""

from __future__ import annotations

from functools import partial

from pywatt_services.kafka_hooks.admin.admin_api import AdminApi
from pywatt_services.kafka_hooks.auth.admission import WAIT, Admission
from pywatt_services.kafka_hooks.config.options import RequestReplyOptions
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import no_keys, no_route
from pywatt_services.kafka_hooks.http.routes import Routes, path_segments
from pywatt_services.kafka_hooks.publishing.publisher import Publisher
from pywatt_services.kafka_hooks.request_reply import RequestReply

TOPICS = "/topics/"


class RequestRouter:
    """Routes requests to the publisher, to request/reply and to the admin API."""

    def __init__(
        self,
        publisher: Publisher,
        request_reply: RequestReply | None,
        routes: Routes[RequestReplyOptions],
        *,
        admission: Admission | None = None,
        admin_api: AdminApi | None = None,
    ) -> None:
        """`admission`: None admits everybody. `admin_api`: None serves none."""
        self._admin_api = admin_api
        self._admission = admission
        self._publisher = publisher
        self._request_reply = request_reply
        self._routes = routes

    def is_for_admin(self, request: Request) -> bool:
        """Return whether a request is for the admin API."""
        return self._admin_api is not None and self._admin_api.handles(request)

    def route_of(self, request: Request) -> str:
        """Return the pattern of the path of a request's route; empty for none."""
        if request.method == "POST" and published_topic(request.path) is not None:
            return f"{TOPICS}:topic"
        found = None if self._request_reply is None else self._routes.find(request.path)
        return "" if found is None else str(found[0].path)

    def handle(self, request: Request, exchange: HooksExchange) -> None:
        """Respond now or later."""
        admin_api = self._admin_api
        asked = admin_api if admin_api is not None and admin_api.handles(request) else None
        if self._admission is not None and (asked is None or not asked.is_open(request)):
            rejection = self._admission.rejection(request.headers)
            if rejection is WAIT and self._admission.wait(partial(self._handle_again, request, exchange)):
                return
            if rejection is not None:
                exchange.respond(no_keys() if rejection is WAIT else rejection)
                return
        if asked is not None:
            asked.handle(request, exchange)
            return
        if request.method == "POST" and (topic := published_topic(request.path)) is not None:
            self._publisher.publish(topic, request, exchange)
            return
        if self._request_reply is not None and (found := self._routes.find(request.path)) is not None:
            route, params = found
            if request.method in route.methods:
                self._request_reply.request(route, params, request, exchange)
                return
        exchange.respond(no_route(request.method, request.target))

    def _handle_again(self, request: Request, exchange: HooksExchange) -> None:
        if exchange.open:
            self.handle(request, exchange)


def published_topic(path: str) -> str | None:
    """Return the topic of `/topics/:topic` (a path that is still percent-encoded), else None."""
    if not path.startswith(TOPICS):
        return None
    topic = path[len(TOPICS) :]
    if "/" in topic or not topic:
        return None
    return path_segments(topic)[0] if "%" in topic else topic
