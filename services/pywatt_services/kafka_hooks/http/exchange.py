"""A whole HTTP request of a client, and its one response, now or later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.wire.headers import RawHeaders

FORWARDED = b"x-forwarded-proto"
"""Put on every request by the gateway."""


@dataclass(frozen=True, slots=True)
class Request:
    """A client's request. Its framing was checked and taken off."""

    method: str
    path: str
    """The path in normal form, still percent-encoded, without the prefix that the app is mounted at."""
    query: bytes
    """The query without its `?`."""
    headers: RawHeaders
    """Names in lower case; without the hop-by-hop ones and content-length."""
    body: bytes = b""
    target: str = ""
    """The target as it was sent; for messages."""
    public: bool = False
    """True when it came over the app's public address."""

    @property
    def hops(self) -> int:
        """The number of workers of this service that have forwarded it."""
        return 0

    @property
    def from_outside(self) -> bool:
        """True when it comes from outside the app, also through a gateway."""
        return self.public or any(name == FORWARDED for name, _ in self.headers)


@dataclass(frozen=True, slots=True)
class ForwardedRequest(Request):
    """A request that another worker of this service forwarded."""

    times: int = 1

    @property
    def hops(self) -> int:
        """The number of workers that have forwarded it."""
        return self.times


class Downstream(Protocol):
    """The connection that a request came over."""

    @property
    def is_same_user(self) -> bool: ...
    def respond(self, response: HttpResponse) -> None: ...


class HooksExchange:
    """Gives one request its response, unless its client goes away before."""

    __slots__ = ("_client", "_gone")

    def __init__(self, client: Downstream) -> None:
        self._client: Downstream | None = client
        self._gone: Callable[[], None] | None = None

    @property
    def open(self) -> bool:
        """True while the client waits."""
        return self._client is not None

    @property
    def is_from_same_user(self) -> bool:
        """True when the client is a process of this user's that came over a unix socket: no other can claim that."""
        return self._client is not None and self._client.is_same_user

    def respond(self, response: HttpResponse) -> None:
        """Send the response, if the client still waits for it."""
        client, self._client, self._gone = self._client, None, None
        if client is not None:
            client.respond(response)

    def on_gone(self, told: Callable[[], None]) -> None:
        """Call `told` when the client goes away before its response."""
        self._gone = told

    def abandon(self) -> None:
        """Note that the client has gone away."""
        told, self._client, self._gone = self._gone, None, None
        if told is not None:
            told()


class Handler(Protocol):
    """Responds to requests."""

    def handle(self, request: Request, exchange: HooksExchange) -> None:
        """Respond now, or keep the exchange and respond later."""
        ...
