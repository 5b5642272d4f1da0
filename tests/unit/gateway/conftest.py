"""A gateway without sockets: the test plays the clients and the services."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, cast

import pytest
from harness.fair_queue import ManualFairQueue

from pywatt.errors import MeshError
from pywatt.http.client.connection import IDLE, ClientConnection
from pywatt.http.server.discard import Discard
from pywatt.mesh.address import Destination
from pywatt.metrics.recorder import Recorder
from pywatt.service_type import Placement
from pywatt_services.gateway import TYPE
from pywatt_services.gateway.connection import GatewayConnection
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics
from pywatt_services.gateway.options import GatewayOptions
from pywatt_services.gateway.routes import RouteTable
from pywatt_services.gateway.server import GatewayLimits, GatewayServer


class MemoryTransport(asyncio.Transport):
    """Keeps written bytes, and reports the end to its protocol like an event loop."""

    def __init__(self, protocol: asyncio.Protocol, peer: str = "192.0.2.7") -> None:
        super().__init__({"peername": (peer, 5000)})
        self.written = b""
        self.closing = False
        self.aborted = False
        self.reading = True
        self.high = 0
        self.buffered = 0
        self._protocol: asyncio.BaseProtocol = protocol
        protocol.connection_made(self)

    @property
    def ended(self) -> bool:
        """True if further incoming bytes are discarded."""
        return isinstance(self._protocol, Discard)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def take(self) -> bytes:
        written, self.written = self.written, b""
        return written

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert isinstance(data, bytes)
        assert not self.ended
        if not self.closing:
            self.written += data

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high or 0

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def is_closing(self) -> bool:
        return self.closing

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        assert self.reading
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        if not self.closing:
            self.closing = True
            self._protocol.connection_lost(None)

    def abort(self) -> None:
        self.aborted = True
        self.close()


class Service:
    """A connection to a service, from the service's view."""

    def __init__(self, upstreams: Upstreams) -> None:
        self.connection = ClientConnection(upstreams)
        self.transport = MemoryTransport(self.connection)

    def received(self) -> bytes:
        return self.transport.take()

    def send(self, data: bytes) -> None:
        self.connection.data_received(data)

    def close(self) -> None:
        self.transport.close()


class Upstreams:
    """Plays the mesh client and the pool."""

    name = "worker api/0/1"
    response_head_limit = 4096

    def __init__(self) -> None:
        self.services: list[Service] = []
        self.idle: list[ClientConnection] = []
        self.dialing: list[tuple[Callable[[ClientConnection], None], Callable[[MeshError], None]]] = []
        self.cancelled = 0
        self.destinations: list[Destination] = []
        self.hold_dials = False
        self.avoided: list[Collection[str]] = []

    def take(self, destination: Destination) -> ClientConnection | None:
        self.destinations.append(destination)
        return self.idle.pop() if self.idle else None

    def dial(
        self,
        destination: Destination,
        opened: Callable[[ClientConnection], None],
        failed: Callable[[MeshError], None],
        avoid: Collection[str] = (),
    ) -> asyncio.Task[None]:
        self.avoided.append(avoid)
        self.dialing.append((opened, failed))
        if not self.hold_dials:
            self.open()
        return cast("asyncio.Task[None]", self)

    def cancel(self) -> None:
        """Stands in for the task that connects."""
        self.dialing.clear()
        self.cancelled += 1

    def open(self) -> Service:
        opened, _ = self.dialing.pop(0)
        service = Service(self)
        self.services.append(service)
        opened(service.connection)
        return service

    def fail(self, error: MeshError) -> None:
        _, failed = self.dialing.pop(0)
        failed(error)

    def limit_idle(self, seconds: float) -> None:
        pass

    def exchange_ended(self, connection: ClientConnection) -> None:
        if connection.state is IDLE:
            self.idle.append(connection)

    def closed(self, connection: ClientConnection) -> None:
        if connection in self.idle:
            self.idle.remove(connection)


class Scene:
    """A gateway, its services, and a stopped clock."""

    def __init__(self, document: dict[str, Any] | None = None, **options: Any) -> None:
        placement = Placement(id="gateway", path=Path("/app"), services=("gateway", "api", "kafka-hooks"))
        configured = TYPE.configure(document or {}, placement).options
        assert isinstance(configured, GatewayOptions)
        self.now = 1000.0
        self.upstreams = Upstreams()
        self.fair_queue: ManualFairQueue = options.pop("queue", None) or ManualFairQueue()
        self.server = GatewayServer(
            RouteTable(configured.proxies),
            self.upstreams,
            trust_proxy=configured.trust_proxy,
            escaped_slashes=configured.escaped_slashes,
            limits=GatewayLimits(),
            fair_queue=self.fair_queue,
            clock=lambda: self.now,
            wall_clock=lambda: 0.0,
            **options,
        )

    def connect(self, peer: str = "192.0.2.7") -> tuple[GatewayConnection, MemoryTransport]:
        client = cast(GatewayConnection, self.server.accept())
        return client, MemoryTransport(client, peer)

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.server.clients.tick()

    @property
    def service(self) -> Service:
        return self.upstreams.services[-1]


@pytest.fixture(params=["plain", "counted"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return Scene(metrics=GatewayMetrics(Recorder(tmp_path)) if request.param == "counted" else None)


@pytest.fixture
def make_scene() -> Callable[..., Scene]:
    return Scene
