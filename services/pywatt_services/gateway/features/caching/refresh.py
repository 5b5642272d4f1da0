"""Fetches a stored response anew, while it is still used, for those who come later."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection
from pywatt.http.headers import Headers
from pywatt.http.request import RequestHead
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.cache import rules
from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.options import CacheOptions
from pywatt_services.gateway.cache.response_cache import Place, ResponseCache
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.forwarding import outer_prefix, write_request_head
from pywatt_services.gateway.gateway_context import GatewayContext
from pywatt_services.gateway.routes import Route

SECONDS = 30.0
"""Time of the whole call."""


class CacheRefresh:
    """One call."""

    def __init__(
        self, cache: ResponseCache, options: CacheOptions, place: Place, key: bytes, entry: Entry, request: Headers
    ) -> None:
        """`request`: the headers of the request, names in lower case."""
        self._cache = cache
        self._options = options
        self._place = place
        self._key = key
        self._old = entry
        self._lower = request
        self._new: Entry | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._connection: ClientConnection | None = None
        self._give_up: Callable[[], object] | None = None
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
        self._data = write_request_head(asked, route, path, base_path, client, 0)
        context.fair_queue.call_later(SECONDS, self.expire)
        connection = context.upstreams.take(route.destination)
        if connection is not None:
            self._opened(connection)
        else:
            self._give_up = context.upstreams.dial(route.destination, self._opened, lambda _: self._end()).cancel

    def expire(self) -> None:
        """Give up."""
        if self._over:
            return
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.abandon()
        elif self._give_up is not None:
            self._give_up()
        self._end()

    def on_informational(self, head: ResponseHead) -> None:
        """Ignore it."""

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
            self.expire()

    def on_raw(self, data: bytes) -> None:
        """Never called: the request does not ask for an upgrade."""

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Leave the stored response as it is."""
        self._connection = None
        self._end()

    def on_writable(self, writable: bool) -> None:
        """Ignore it: the request has no body."""

    def _opened(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._give_up = None
        receiver: Any = self
        connection.send(receiver, self._data, ended=True, to_head=False, upgradable=False)

    def _end(self) -> None:
        self._over = True
        self._cache.refreshing.discard(self._key)
        self._pieces.clear()
