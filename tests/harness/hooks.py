"""A kafka-hooks worker in the test's own process, and the target of its webhooks."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import anyio

from pywatt.config.model import ServerConfig, ServiceConfig
from pywatt.mesh.client import MeshClient, Response
from pywatt.mesh.table import MeshTable
from pywatt.metrics.recorder import Recorder
from pywatt.service_type import StopRequest
from pywatt_kafka import Headers, Message

LONG = 60.0  # seconds
STOP_TIMEOUT = 10.0  # seconds


@dataclass(frozen=True)
class Received:
    """A request that the target received."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


Handler = Callable[[Received], Awaitable[int]]


async def accept(request: Received) -> int:
    """Answer every request with success."""
    return 200


async def yes(request: Received) -> bytes:
    """Answer every request with the same body."""
    return b"yes"


@dataclass
class Target:
    """The service `api`, the target of the webhooks."""

    handler: Handler = accept
    body: Callable[[Received], Awaitable[bytes]] = yes
    """The answer's body, sent with the handler's status."""
    requests: list[Received] = field(default_factory=list)
    address: str = ""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def wait_for(self, done: Callable[[Sequence[Received]], bool]) -> None:
        """Wait until the requests so far satisfy the condition."""
        with anyio.fail_after(LONG):
            while not done(self.requests):
                self._changed.clear()
                await self._changed.wait()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                start, *lines = head.decode("latin-1").strip().split("\r\n")
                fields = [line.partition(":") for line in lines]
                headers = {name.lower(): value.strip() for name, _, value in fields}
                method, path, _ = start.split(" ")
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                request = Received(method, path, headers, body)
                self.requests.append(request)
                self._changed.set()
                status = await self.handler(request)
                answer = await self.body(request)
                writer.write(b"HTTP/1.1 %d X\r\ncontent-length: %d\r\n\r\n%b" % (status, len(answer), answer))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@dataclass
class Hooks:
    """A worker from the view of the supervisor and its clients."""

    service: ServiceConfig
    slot: int
    mesh: MeshClient
    endpoint: socket.socket
    loopback: socket.socket
    app_name: str = "app"
    production: bool = True
    base_path: str = "/"
    env: Mapping[str, str] = field(default_factory=dict)
    prompt_names: dict[str, object] = field(default_factory=dict)
    public: socket.socket | None = None
    server: ServerConfig = field(default_factory=ServerConfig)
    metrics: Recorder | None = None
    reasons: list[str | None] = field(default_factory=list)
    """The reasons that it gave for being degraded."""
    is_ready: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _stop: asyncio.Future[StopRequest] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def table(self) -> MeshTable:
        return self.mesh.table

    async def ready(
        self, *, http: bool = True, address: str | None = None, exports: Mapping[str, str] | None = None
    ) -> None:
        self.is_ready.set()

    def gauge(self, name: str, read: Callable[[], float]) -> None:
        pass

    def degraded(self, reason: str | None) -> None:
        self.reasons.append(reason)
        self._changed.set()

    async def stop_requested(self) -> StopRequest:
        return await asyncio.shield(self._stop)

    async def hurry_requested(self) -> StopRequest:
        never: asyncio.Future[StopRequest] = asyncio.get_running_loop().create_future()
        return await never

    def stop(self) -> None:
        """Ask the worker to end."""
        if not self._stop.done():
            self._stop.set_result(StopRequest(timeout=STOP_TIMEOUT))

    async def wait_for_degraded(self, degraded: bool) -> None:
        """Wait until it reports the given degraded state."""
        with anyio.fail_after(LONG):
            while not self.reasons or bool(self.reasons[-1]) != degraded:
                self._changed.clear()
                await self._changed.wait()

    async def post(self, path: str, body: bytes = b"", headers: Headers = ()) -> Response:
        """Send a request to the worker."""
        named = [(name.encode(), value or b"") for name, value in headers]
        return await self.mesh.request(
            "POST", f"http://127.0.0.1:{self.port}{path}", headers=named, body=body, timeout=LONG
        )

    def __post_init__(self) -> None:
        self.port: int = self.loopback.getsockname()[1]


RunHooks = Callable[..., AbstractAsyncContextManager[Hooks]]
ReadRecords = Callable[[str, int], Awaitable[list[Message]]]
