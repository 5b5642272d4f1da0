"""Sends copies of requests to a mirror, and drops the answers: nothing about it delays or fails the request."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from pywatt.http.request import RequestHead
from pywatt.http.response_reader import ResponseHead
from pywatt.mesh.address import locate
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.background_call import BackgroundCall
from pywatt_services.gateway.forwarding import write_request_head
from pywatt_services.gateway.gateway_context import Upstreams
from pywatt_services.gateway.routes import Route
from pywatt_services.gateway.upstreams.options import MirrorOptions
from pywatt_services.gateway.upstreams.registry import UpstreamRegistry

IN_FLIGHT = 64
"""Copies of a worker's requests that may be on their way at once; others are not sent."""
SECONDS = 10.0
"""Time of a copy, its answer included."""
ANSWER = 1024 * 1024
"""Bytes of an answer that are read, so that its connection can be used again."""


class Mirror:
    """The mirror of one route."""

    def __init__(
        self,
        options: MirrorOptions,
        route: Route,
        registry: UpstreamRegistry,
        random_share: Callable[[], float] = random.random,
    ) -> None:
        location = locate(options.url)
        sends_host = route.options.pass_host_header and not options.url.lower().startswith("https:")
        self.options = options
        self._route = replace(
            route, destination=location.destination, authority=location.authority, sends_host=sends_host
        )
        self._registry = registry
        self._random = random_share

    def wants(self, request: RequestHead) -> bool:
        """Tell whether this request is copied, if its body is small."""
        return not request.websocket and (self.options.share >= 1 or self._random() < self.options.share)

    def send(
        self,
        upstreams: Upstreams,
        request: RequestHead,
        path: bytes,
        base_path: bytes,
        client: ClientAddress,
        body: bytes,
    ) -> None:
        """Send a copy, unless too many are on their way."""
        if self._registry.mirrored >= IN_FLIGHT:
            return
        head = write_request_head(request, self._route, path, base_path, client, len(body))
        copy = _Copy(self._registry)
        copy.call(upstreams, self._route.destination, head + body, to_head=request.method == b"HEAD")


class _Copy(BackgroundCall):
    """One copy: sends a request, and drops its answer."""

    def __init__(self, registry: UpstreamRegistry) -> None:
        super().__init__()
        self._registry = registry
        self._left = ANSWER
        registry.mirrored += 1
        registry.timeouts(SECONDS).add(self)

    def expire(self, seconds: float) -> None:
        """Give up."""
        self.give_up()

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Drop it."""
        self.on_body(body, ended)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Drop it; a large one is not waited for."""
        self._left -= len(body)
        if ended:
            self._connection = None
            self._end()
        elif self._left < 0:
            self.give_up()

    def _end(self) -> None:
        self._registry.timeouts(SECONDS).remove(self)
        self._registry.mirrored -= 1
