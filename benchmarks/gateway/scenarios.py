"""What is measured of each contestant."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from benchmarks.gateway.contestants import Contestant
from benchmarks.gateway.loads import UPLOAD, echoes, http2_requests, idle_connections
from benchmarks.load import Load, requests

HELLO = "/hello"
IDLE = 5_000
CONNECTIONS = 32

Measure = Callable[[str, int], Load]
"""Takes the URL and the seconds."""


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One kind of load."""

    name: str
    what: str
    measure: Measure
    path: str = HELLO
    origin: str = "http"
    """The key in `Contestant.origins`."""
    beside: Callable[[str], AbstractContextManager[None]] = lambda _: nullcontext()
    """Takes the URL; what goes on meanwhile."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """One turn of one contestant."""

    load: Load
    cpu: float
    """Microseconds of all its processes and the service's, per answer."""


def _requests(connections: int, *, upload: bool = False) -> Measure:
    script = UPLOAD if upload else None
    return lambda url, seconds: requests(url, connections=connections, seconds=seconds, script=script)


SCENARIOS = (
    Scenario(name="get-32", what="small GET, 32 connections", measure=_requests(32)),
    Scenario(name="get-256", what="small GET, 256 connections", measure=_requests(256)),
    Scenario(name="large", what="answers of 64 KiB, 32 connections", measure=_requests(32), path="/large"),
    Scenario(name="upload", what="POST of 1 MiB, 16 connections", measure=_requests(16, upload=True), path="/upload"),
    Scenario(
        name="idle",
        what=f"small GET, 32 connections beside {IDLE:,} idle ones",
        measure=_requests(32),
        beside=lambda url: idle_connections(url, IDLE),
    ),
    Scenario(name="tls", what="small GET over TLS, 32 connections", measure=_requests(32), origin="tls"),
    Scenario(
        name="http2",
        what="small GET over HTTP/2 and TLS, 32 connections with 8 requests each",
        measure=lambda url, seconds: http2_requests(url, connections=CONNECTIONS, seconds=seconds),
        origin="http2",
    ),
    Scenario(
        name="websocket",
        what="echoes of 64 B, 32 connections",
        measure=lambda url, seconds: echoes(url, connections=CONNECTIONS, seconds=seconds),
        path="/echo",
    ),
)


def takes_part(contestant: Contestant, scenario: Scenario) -> bool:
    """Tell whether the contestant can serve this."""
    return scenario.origin in contestant.origins and (contestant.paths is None or scenario.path in contestant.paths)


def read(contestant: Contestant, scenario: Scenario, seconds: int) -> Reading:
    """Measure one turn."""
    url = contestant.origins[scenario.origin] + contestant.prefix + scenario.path
    with scenario.beside(url):
        before = contestant.cpu_seconds()
        load = scenario.measure(url, seconds)
        used = contestant.cpu_seconds() - before
    contestant.check()
    return Reading(load=load, cpu=used * 1e6 / (load.rate * seconds) if load.rate else 0.0)
