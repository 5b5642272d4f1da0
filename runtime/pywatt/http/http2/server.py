"""The parts of a server that its connections of HTTP/2 use."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from pywatt.http.limits import ConnectionLimits


class Carriers(Protocol):
    """The connections of a server that are not its clients: see `OpenConnections`."""

    @property
    def now(self) -> float: ...

    def add(self, connection: Any) -> None: ...

    def discard(self, connection: object) -> None: ...


class FairQueue(Protocol):
    """The queue of connections whose bytes wait to be read."""

    def add(self, connection: Any) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Http2Server:
    """Serves the streams of its connections."""

    accept: Callable[[], asyncio.Protocol]
    """Makes the protocol of HTTP/1.1 for one request."""
    carriers: Carriers
    fair_queue: FairQueue
    draining: Callable[[], bool]
    """Tells whether connections are to end."""
    limits: ConnectionLimits
    loop: asyncio.AbstractEventLoop
