"""An exchange of a route with a response cache, in two features of one class.

CacheLookup stands behind the policies of a route: a request that they refuse gets no stored response either.
CacheFilling stands in front of all: it sees what the service has sent, before anything that depends on the single
request is added.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import ClassVar, cast

from pywatt.errors import MeshError
from pywatt.http.headers import Header, Headers
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.cache import rules
from pywatt_services.gateway.cache.directives import ONLY_IF_CACHED, directives
from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.options import CacheOptions
from pywatt_services.gateway.cache.response_cache import Fill, Place, ResponseCache
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.caching.heads import (
    SAFE,
    Outcome,
    cached_head,
    invalidated_targets,
    not_cached,
    place_of,
    with_status,
)
from pywatt_services.gateway.features.caching.refresh import CacheRefresh
from pywatt_services.gateway.features.caching.stored_body import CachedBody
from pywatt_services.gateway.features.releasing_exchange import ReleasingExchange
from pywatt_services.gateway.forwarding import outer_prefix
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import AWAITING, CONNECTING, RESPONDING, transition


class CachedExchange(ReleasingExchange):
    """The parts that both features share."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    cache: ClassVar[ResponseCache]
    cache_options: ClassVar[CacheOptions]
    _cache_place: Place | None = None
    """Of the response in the cache; None: the request has nothing to do with it."""
    _lower_headers: Headers = ()
    """The headers of the request, names in lower case."""
    _cache_fill: Fill | None = None
    """The fetching of the response that others wait for."""
    _stale_entry: Entry | None = None
    """The stored response that the service is asked about, or that may stand in for a failure."""
    _asks_to_validate = False
    """True when the service was asked whether it is still right."""
    _cache_outcome = Outcome.BYPASS
    _delivers_stored = False
    """True once a stored response goes to the client."""
    _recorded_body: list[bytes] | None = None
    """The body so far of a response that will be stored."""
    _recorded_size = 0
    _cache_asked_at = 0.0
    _stored_body: CachedBody | None = None
    client: ClientAddress
    """For the access log."""

    def _release(self) -> None:
        super()._release()
        self._recorded_body = None
        self._end_cache_fill(stores=True)

    def _end_cache_fill(self, *, stores: bool) -> None:
        fill, self._cache_fill = self._cache_fill, None
        if fill is not None:
            self.cache.end(fill, stores=stores)

    def _head_of_stored(self, entry: Entry, outcome: Outcome) -> tuple[ResponseHead, bytes]:
        """Return head and body of the response with a stored one."""
        known = rules.is_known_to_client(entry, self._lower_headers)
        head = cached_head(entry, outcome, self.cache.clock(), known=known)
        return head, b"" if known or self._request.method == b"HEAD" else entry.body

    def _takes_more(self) -> bool:
        return self.state is RESPONDING

    def on_client_writable(self, writable: bool) -> None:
        """Make the service, or the stored body, wait for a slow client."""
        super().on_client_writable(writable)
        if self._stored_body is not None:
            self._stored_body.steer(slow=not writable)


class CacheLookup(CachedExchange):
    """Answers with a stored response, or lets one request of many fetch it."""

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Answer, or send the request on."""
        request = self._request
        self._lower_headers = tuple((name.lower(), value) for name, value in request.headers)
        if self._route.options.policies.auth is not None:
            # Also where the policy has taken the credentials out, or they are in a header of another name.
            self._lower_headers = (*self._lower_headers, (b"authorization", b""))
        self._cache_asked_at = time.perf_counter()
        gets = request.method in (b"GET", b"HEAD") and not (request.websocket or request.has_body)
        if request.method not in SAFE or (gets and not rules.bypasses(self._lower_headers)):
            self._cache_place = place_of(request, self._route, path, self._base_path, client)
        if self._cache_place is None or not gets:
            super().start(path, client, body, ended)
            return
        self.client = client
        self._arrival_at_cache = path, client
        self._look_up(may_wait=True)

    def cancel(self) -> None:
        """Give up: the client is gone, or was responded to."""
        if self._stored_body is not None:
            self._stored_body.drop()
        super().cancel()

    def _look_up(self, *, may_wait: bool) -> None:
        if self.state is not CONNECTING or self._cache_place is None:
            return  # the client has left
        cache, resource = self.cache, self._cache_place.resource
        found = cache.find(resource, self._lower_headers)
        use = rules.Use.NONE if found is None else rules.use_of(found[1], self._lower_headers, cache.clock())
        if found is not None and use is rules.Use.FRESH:
            self._deliver_stored(found[1], Outcome.HIT)
        elif found is not None and use is rules.Use.WHILE_REVALIDATE:
            self._fetch_anew(*found)
            self._deliver_stored(found[1], Outcome.STALE)
        elif ONLY_IF_CACHED in directives(self._lower_headers):
            self.answer(*not_cached())
        else:
            self._fetch_or_wait(None if found is None else found[1], use, may_wait=may_wait)

    def _fetch_or_wait(self, entry: Entry | None, use: rules.Use, *, may_wait: bool) -> None:
        """Send the request on; or wait for another one that does, and look again."""
        assert self._cache_place is not None
        cache, request = self.cache, self._request
        self._cache_outcome = Outcome.MISS if entry is None else Outcome.EXPIRED
        self._stale_entry = entry
        if request.method == b"GET":
            if may_wait and not cache.passes(self._cache_place.resource):
                self._cache_fill = cache.begin(self._cache_place.resource, lambda: self._look_up(may_wait=False))
                if self._cache_fill is None:
                    return
            headers = [header for header in request.headers if header[0].lower() not in rules.CONDITIONS]
            if entry is not None and use is rules.Use.VALIDATE:
                self._asks_to_validate = True
                headers += rules.conditions(entry)
            self._request = replace(request, headers=headers)
        path, client = self._arrival_at_cache
        super().start(path, client, b"", True)

    def _deliver_stored(self, entry: Entry, outcome: Outcome) -> None:
        """Answer in place of the service, through all that the route does with responses."""
        _, client = self._arrival_at_cache
        self._request_ended = True
        if client.trusted:
            self._trusted = True
            self._base_path = outer_prefix(self._request) + self._base_path
        self.state = transition(self.state, AWAITING)
        self._delivers_stored = True
        head, body = self._head_of_stored(entry, outcome)
        self._stored_body = CachedBody(self.on_response, self.on_body, self._takes_more, self._context.fair_queue)
        self._stored_body.send(head, body)

    def _fetch_anew(self, key: bytes, entry: Entry) -> None:
        """Fetch a response anew for those who come later."""
        assert self._cache_place is not None
        if key not in self.cache.refreshing:
            path, client = self._arrival_at_cache
            refresh = CacheRefresh(self.cache, self.cache_options, self._cache_place, key, entry, self._lower_headers)
            refresh.start(self._context, self._request, self._route, path, self._base_path, client)


class CacheFilling(CachedExchange):
    """Stores responses of services, and answers with a stored one that a service has called still right."""

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on, with the part of the body that came with it."""
        if self._delivers_stored or head.status < 200:
            super().on_response(head, body, ended)
            return
        place, method = self._cache_place, self._request.method
        if place is not None and method not in SAFE:
            if head.status < 400:
                for target in invalidated_targets(place, head):
                    self.cache.invalidate(place.host, target)
            super().on_response(head, body, ended)
            return
        if place is None or method != b"GET":
            super().on_response(with_status(head, self._cache_outcome), body, ended)
            return
        entry, now = self._stale_entry, self.cache.clock()
        if head.status == 304 and entry is not None and self._asks_to_validate:
            self._validated(place, entry, head, now)
        elif head.status in rules.FAILURES and entry and rules.replaces_failure(entry, self._lower_headers, now):
            self._stand_in(entry, ended=ended)
        else:
            self._pass_on_and_record(place, head, body, ended, now)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass more of the body on."""
        record = self._recorded_body
        if record is not None:
            self._recorded_size += len(body)
            if self._recorded_size > self.cache_options.max_entry_size:
                self._recorded_body = None
                self._end_cache_fill(stores=False)
            else:
                record.append(body)
                if ended:
                    self._store_recorded()
        super().on_body(body, ended)

    def _fail(self, error: MeshError) -> None:
        entry = self._stale_entry
        if entry is None or not rules.replaces_failure(entry, self._lower_headers, self.cache.clock()):
            super()._fail(error)
            return
        self._delivers_stored = True
        head, body = self._head_of_stored(entry, Outcome.STALE)
        headers = self._public_headers(head) if head.addressed else head.headers
        self._downstream.exchange_answered(head.status, [*headers, *self._own_headers()], body)

    def _pass_on_and_record(self, place: Place, head: ResponseHead, body: bytes, ended: bool, now: float) -> None:
        headers = head.lower_headers() if head.dated else (*head.lower_headers(), self._date_header())
        waited = time.perf_counter() - self._cache_asked_at
        entry = rules.store(self.cache_options, self._lower_headers, head.status, headers, now, waited)
        too_large = (head.content_length or len(body)) > self.cache_options.max_entry_size
        if entry is None or too_large or head.until_close:
            self._end_cache_fill(stores=False)
            super().on_response(with_status(head, self._cache_outcome), body, ended)
            return
        self._entry_to_store = replace(entry, addressed=head.addressed)
        self._recorded_body, self._recorded_size = [body], len(body)
        if ended:
            self._store_recorded()
        super().on_response(with_status(head, self._cache_outcome, stored=True), body, ended)

    def _store_recorded(self) -> None:
        record, self._recorded_body = self._recorded_body, None
        assert self._cache_place is not None
        assert record is not None
        self.cache.put(self._cache_place, self._lower_headers, replace(self._entry_to_store, body=b"".join(record)))
        self._end_cache_fill(stores=True)

    def _validated(self, place: Place, entry: Entry, head: ResponseHead, now: float) -> None:
        headers = head.lower_headers() if head.dated else (*head.lower_headers(), self._date_header())
        made = rules.refreshed(
            self.cache_options, entry, self._lower_headers, headers, now, time.perf_counter() - self._cache_asked_at
        )
        if made is not None:
            self.cache.put(place, self._lower_headers, made)
        self._end_cache_fill(stores=made is not None)
        self._connection = None  # it may serve somebody else already
        self._deliver_behind(made or entry, Outcome.REVALIDATED)

    def _stand_in(self, entry: Entry, *, ended: bool) -> None:
        """Answer with a stored response in place of a failure."""
        connection, self._connection = self._connection, None
        if connection is not None and not ended:
            connection.abandon()
        self._end_cache_fill(stores=True)
        self._deliver_behind(entry, Outcome.STALE, ended=ended)

    def _deliver_behind(self, entry: Entry, outcome: Outcome, *, ended: bool = True) -> None:
        """Answer through the features behind this one; those in front have seen the head of the service's response.

        `ended`: they have seen its end as well.
        """
        self._delivers_stored = True
        head, body = self._head_of_stored(entry, outcome)
        on_body = super().on_body if ended else self.on_body
        self._stored_body = CachedBody(super().on_response, on_body, self._takes_more, self._context.fair_queue)
        self._stored_body.send(head, body, at_once=ended)

    def _date_header(self) -> Header:
        return b"date", self._context.date[6:].strip()


def cached_exchange(cache: ResponseCache, options: CacheOptions) -> tuple[type[ProxyExchange], type[ProxyExchange]]:
    """Return the features of a route whose responses are stored: the first of all, and that behind its policies."""
    members = {"cache": cache, "cache_options": options}
    return (
        cast("type[ProxyExchange]", type("CacheFilling", (CacheFilling,), members)),
        cast("type[ProxyExchange]", type("CacheLookup", (CacheLookup,), members)),
    )
