"""The options of a route about its upstreams; durations in seconds."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt.circuit_breaker import BreakerPolicy
from pywatt_services.gateway.upstreams.deduplication import DeduplicationOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The requests that belong to an upstream: those with a header or a cookie."""

    header: str = ""
    """Name in lower case; empty: the cookie counts."""
    cookie: str = ""
    value: str | None = None
    """None: any value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One of several upstreams of a route."""

    url: str
    weight: int = 1
    """Its share of the requests that belong to no upstream; 0: it gets only those that belong to it."""
    match: Match | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Limits of the stages of a request; None: no limit of the route's own."""

    connect: float | None = None
    """Of a connection to the upstream, the wait for a ready worker included."""
    response: float | None = None
    """From the end of the request to the head of the response."""
    idle: float | None = None
    """Between two pieces of the response's body."""
    request: float | None = None
    """Of the whole request, retries and the response's body included."""


CAUSES = ("connect", "lost", "timeout", "502", "503", "504")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """Rules for sending a request again."""

    count: int = 2
    """Retries of one request."""
    on: frozenset[str] = frozenset(CAUSES)
    """Failures after which it is sent again: see CAUSES."""
    methods: frozenset[str] = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT"})
    """Only these are sent again; where no connection could be made, any method is."""
    body_limit: int = 64 * 1024
    """Bytes of a body that is kept to be sent again; requests with a larger one are sent once."""
    budget: float = 0.2
    """Retries as a share of the requests, so that they cannot multiply an outage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthCheck:
    """Regular requests to each upstream, which gets no others while they fail."""

    path: str = "/"
    interval: float = 10.0
    timeout: float = 2.0
    failure_threshold: int = 3
    success_threshold: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorOptions:
    """Copies of requests, whose answers are dropped."""

    url: str
    share: float = 1.0
    """Share of the requests, from 0 to 1."""
    body_limit: int = 64 * 1024
    """Bytes of a body; requests with a larger one are not copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconnect:
    """Rules for opening the lost connection of a WebSocket again. Original: `ws.reconnect`."""

    ping_interval: float = 0.0
    """Time between two pings; a connection without a pong until the next one counts as lost. 0: no pings."""
    retries: int | None = None
    """None: as long as the client stays."""
    interval: float = 1.0
    """Time until the first attempt ..."""
    decay: float = 1.5
    """... and the factor of each further one."""
    timeout: float = 5.0
    """Limit of one attempt."""
    on_close: bool = False
    """Also after the service has closed the WebSocket in order."""
    logs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamOptions:
    """All of them, for one route."""

    targets: tuple[Target, ...] = ()
    """Empty: the route's origin alone."""
    sticky: str = ""
    """Name of a cookie that keeps a client at its upstream; empty: none."""
    timeouts: Timeouts = Timeouts()
    retries: Retries | None = None
    circuit_breaker: BreakerPolicy | None = None
    health_check: HealthCheck | None = None
    mirror: MirrorOptions | None = None
    deduplication: DeduplicationOptions | None = None
    websocket: str = ""
    """Where WebSockets go instead; empty: where the other requests go."""
    reconnect: Reconnect | None = None


ONE_UPSTREAM = UpstreamOptions()
