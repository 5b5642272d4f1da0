"""An exchange that waits for the response to an equal request, if one is on its way.

The first of equal requests is sent; the others get its response once that is complete. What they cannot get, because
it is large or for one client only, each of them asks for itself. When the client of the first one leaves, the next one
is sent.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar, cast

from pywatt.errors import CallTimeout, MeshError
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.features.releasing_exchange import ReleasingExchange
from pywatt_services.gateway.proxy_exchange import ProxyExchange
from pywatt_services.gateway.proxy_state import AWAITING, CONNECTING, ENDED, transition
from pywatt_services.gateway.upstreams.deduplication import DeduplicationOptions, flight_key, may_share

MOST = 1024
"""Requests that wait for one response; others are sent."""


class SharedExchange(ReleasingExchange):
    """Passes a request on, or waits for the response to an equal one."""

    # Without slots, so that it can be joined with others: see `own_exchange`.

    deduplication: ClassVar[DeduplicationOptions]
    flights: ClassVar[dict[Hashable, SharedExchange]]
    """The requests that others may wait for."""
    client: ClientAddress
    """For the access log."""
    _flight: Hashable | None = None
    """The key of a request that others may wait for."""
    _leader: SharedExchange | None = None
    """The request that this one waits for."""
    _shared: tuple[ResponseHead, list[bytes]] | None = None
    """The response, as far as it has come, for those who wait."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._followers: list[SharedExchange] = []
        """The requests that wait for this one."""

    def start(self, path: bytes, client: ClientAddress, body: bytes, ended: bool) -> None:
        """Send the request on, or wait."""
        key = flight_key(self.deduplication, self._request, path) if ended and not body else None
        if key is None:
            super().start(path, client, body, ended)
            return
        self._came_from = path, client
        self.client = client
        leader = self.flights.get(key)
        if leader is not None and len(leader._followers) < MOST:
            self._request_ended = True
            self._leader = leader
            leader._followers.append(self)
            return
        if leader is None:
            self.flights[key] = self
            self._flight = key
        super().start(path, client, body, ended)

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass the head on, and keep it for those who wait if it is for them."""
        self._land()
        followers: list[SharedExchange] = []
        if self._followers:
            size = len(body) if ended else head.content_length
            if not may_share(self.deduplication, head, size):
                self._part()
            elif ended:
                followers, self._followers = self._followers, []
            else:
                self._shared = head, [body]
        super().on_response(head, body, ended)
        for follower in followers:
            follower._get(head, body)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass more of the body on, and keep it for those who wait."""
        followers: list[SharedExchange] = []
        if self._shared is not None:
            self._shared[1].append(body)
            if ended:
                followers, self._followers = self._followers, []
        super().on_body(body, ended)
        if followers and self._shared is not None:
            head, pieces = self._shared
            whole = b"".join(pieces)
            for follower in followers:
                follower._get(head, whole)

    def _steer(self) -> None:
        """Let a slow client hold up nobody who waits: the response is small."""
        if self._shared is None or not self._followers:
            super()._steer()

    def _end_with(self, error: MeshError) -> None:
        """Tell those who wait as well: asking again would only add to the failure."""
        followers, self._followers = self._followers, []
        super()._end_with(error)
        if self.state is ENDED:
            self._fail_all(followers, error)
        else:
            self._followers = followers  # the request is sent again

    def expire(self) -> None:
        """Give up on a service that does not respond, for those who wait as well."""
        followers, self._followers = self._followers, []
        super().expire()
        if self.state is ENDED:
            self._fail_all(followers, CallTimeout(f"the service {self._route.id!r} did not answer in time"))
        else:
            self._followers = followers

    def _fail_all(self, followers: list[SharedExchange], error: MeshError) -> None:
        for follower in followers:
            if follower.state is CONNECTING:
                follower._leader = None
                follower.state = transition(follower.state, ENDED)
                follower._fail(error)

    def _release(self) -> None:
        super()._release()
        self._land()
        leader, self._leader = self._leader, None
        if leader is not None and self in leader._followers:
            leader._followers.remove(self)
        followers, self._followers = self._followers, []
        if followers:
            # The response will not come: the client has gone, or it was broken off.
            first, *others = followers
            first._lead(others)

    def _land(self) -> None:
        """Let no others wait for this request."""
        key, self._flight = self._flight, None
        if key is not None and self.flights.get(key) is self:
            del self.flights[key]

    def _part(self) -> None:
        followers, self._followers = self._followers, []
        for follower in followers:
            follower._lead([])

    def _lead(self, others: list[SharedExchange]) -> None:
        """Send the request after all. `others`: those that wait for it from now on."""
        self._leader = None
        self._followers = others
        for other in others:
            other._leader = self
        path, client = self._came_from
        super().start(path, client, b"", True)

    def _get(self, head: ResponseHead, body: bytes) -> None:
        """Take the response that was waited for."""
        if self.state is CONNECTING and self._leader is not None:
            self._leader = None
            self.state = transition(self.state, AWAITING)
            self.on_response(head, body, True)


def shared_exchange(options: DeduplicationOptions) -> type[ProxyExchange]:
    """Return the class of exchanges of a route whose equal requests are sent once."""
    attributes: dict[str, Any] = {"deduplication": options, "flights": {}}
    return cast("type[ProxyExchange]", type("SharedExchange", (SharedExchange,), attributes))
