"""What the service answers over HTTP: `POST /topics/:topic` and the paths of `requestResponse`."""

from __future__ import annotations

from functools import partial

from pywatt_services.kafka_hooks.auth.admission import WAIT, Admission
from pywatt_services.kafka_hooks.config.options import RequestReplyOptions
from pywatt_services.kafka_hooks.http.answers import no_keys, no_route
from pywatt_services.kafka_hooks.http.exchange import Exchange, Request
from pywatt_services.kafka_hooks.http.routes import Routes, path_segments
from pywatt_services.kafka_hooks.operations import Operations
from pywatt_services.kafka_hooks.publishing.publish import Publisher
from pywatt_services.kafka_hooks.reply import Replies

TOPICS = "/topics/"


class Application:
    """Finds who answers a request."""

    def __init__(
        self,
        publisher: Publisher,
        replies: Replies | None,
        routes: Routes[RequestReplyOptions],
        *,
        admission: Admission | None = None,
        operations: Operations | None = None,
    ) -> None:
        """`admission`: None lets everybody in. `operations`: None answers nothing of that kind."""
        self._operations = operations
        self._admission = admission
        self._publisher = publisher
        self._replies = replies
        self._routes = routes

    def handle(self, request: Request, exchange: Exchange) -> None:
        """Answer now or later."""
        operations = self._operations
        asked = operations if operations is not None and operations.handles(request) else None
        if self._admission is not None and (asked is None or not asked.is_open(request)):
            refusal = self._admission.refusal(request.headers)
            if refusal is WAIT and self._admission.wait(partial(self._handle_again, request, exchange)):
                return
            if refusal is not None:
                exchange.answer(no_keys() if refusal is WAIT else refusal)
                return
        if asked is not None:
            asked.handle(request, exchange)
            return
        if request.method == "POST" and (topic := published_topic(request.path)) is not None:
            self._publisher.publish(topic, request, exchange)
            return
        if self._replies is not None and (found := self._routes.find(request.path)) is not None:
            route, params = found
            if request.method in route.methods:
                self._replies.request(route, params, request, exchange)
                return
        exchange.answer(no_route(request.method, request.target))

    def _handle_again(self, request: Request, exchange: Exchange) -> None:
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
