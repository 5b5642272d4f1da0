"""Fetches a stored response anew, while it is still used, for those who come later."""

from __future__ import annotations

import time
from dataclasses import replace

from pywatt.http.headers import Headers
from pywatt.http.request import RequestHead
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.cache import rules
from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.options import CacheOptions
from pywatt_services.gateway.cache.response_cache import Place, ResponseCache
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.background_call import BackgroundCall
from pywatt_services.gateway.forwarding import outer_prefix, write_request_head
from pywatt_services.gateway.gateway_context import GatewayContext
from pywatt_services.gateway.routes import Route

SECONDS = 30.0
"""Time of the whole call."""


class CacheRefresh(BackgroundCall):
    """One call."""

    def __init__(
        self, cache: ResponseCache, options: CacheOptions, place: Place, key: bytes, entry: Entry, request: Headers
    ) -> None:
        """`request`: the headers of the request, names in lower case."""
        super().__init__()
        self._cache = cache
        self._options = options
        self._place = place
        self._key = key
        self._old = entry
        self._lower = request
        self._new: Entry | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._over = False

    def start(
        self,
        context: GatewayContext,
        request: RequestHead,
        route: Route,
        path: bytes,
        base_path: bytes,
        client: ClientAddress,
    ) -> None:
        """Send the request."""
        self._cache.refreshing.add(self._key)
        self._context = context
        self._asked_at = time.perf_counter()
        headers = [header for header in request.headers if header[0].lower() not in rules.CONDITIONS]
        asked = replace(request, method=b"GET", headers=[*headers, *rules.conditions(self._old)])
        if client.trusted:
            base_path = outer_prefix(request) + base_path
        context.fair_queue.call_later(SECONDS, self.expire)
        self.call(context.upstreams, route.destination, write_request_head(asked, route, path, base_path, client, 0))

    def expire(self) -> None:
        """Give up, unless it is over."""
        if not self._over:
            self.give_up()

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Take the head, with the part of the body that came with it."""
        now, waited = self._cache.clock(), time.perf_counter() - self._asked_at
        headers = head.lower_headers()
        if not head.dated:
            headers = (*headers, (b"date", self._context.date[6:].strip()))
        if head.status == 304:
            made = rules.refreshed(self._options, self._old, self._lower, headers, now, waited)
            if made is not None:
                self._cache.put(self._place, self._lower, made)
        elif not head.until_close:
            made = rules.store(self._options, self._lower, head.status, headers, now, waited)
            self._new = None if made is None else replace(made, addressed=head.addressed)
        self.on_body(body, ended)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Take more of the body."""
        self._size += len(body)
        self._pieces.append(body)
        if ended:
            self._connection = None
            if self._new is not None and self._size <= self._options.max_entry_size:
                self._cache.put(self._place, self._lower, replace(self._new, body=b"".join(self._pieces)))
            self._end()
        elif self._new is None or self._size > self._options.max_entry_size:
            self.give_up()

    def _end(self) -> None:
        self._over = True
        self._cache.refreshing.discard(self._key)
        self._pieces.clear()
