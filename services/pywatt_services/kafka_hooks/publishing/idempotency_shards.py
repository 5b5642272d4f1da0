"""Shards the idempotency keys of a service among its workers: forwards requests to the owner, hands over at a stop.

Each key belongs to one slot, by rendezvous hashing. Other workers forward its requests to the slot's worker. A worker
that replaces another one leaves the slot's keys to that one until it receives their handover, so that no key has two
owners, or none. Without a reachable owner the client is told to retry later: a client that sends a key does not want
its record written twice.
"""

from __future__ import annotations

import asyncio
import enum
import hashlib
import logging
from collections.abc import Awaitable, Callable, Iterator
from typing import Protocol, TypeAlias

import anyio
from anyio.abc import TaskGroup

from pywatt.mesh.table import MeshTable
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.peer_workers import UNIX, UnreachablePeer
from pywatt_services.kafka_hooks.http.responses import HttpResponse, bad_request, unavailable
from pywatt_services.kafka_hooks.publishing.idempotency_cache import IdempotencyCache
from pywatt_services.kafka_hooks.publishing.idempotency_codec import (
    StoredResponse,
    pack,
    read_handover,
    read_request,
    write_handover,
    write_request,
)

logger = logging.getLogger("pywatt.kafka_hooks")

RELAY, HANDOVER = "/.pywatt/idempotency/relay", "/.pywatt/idempotency/memory"
PATHS = frozenset({RELAY, HANDOVER})
MOST_HOPS = 3
TAKEN = 204

Post: TypeAlias = Callable[[str, str, bytes], Awaitable[HttpResponse | None]]
KeyName: TypeAlias = tuple[str, bytes]
Handle: TypeAlias = Callable[[Request, HooksExchange], None]


class ShardState(enum.Enum):
    """A worker's relation to the keys of its slot."""

    AWAITING_HANDOVER = "awaiting handover"
    """The worker before it still has them."""
    OWNER = "owner"
    HANDING_OVER = "handing over"
    """It hands its keys over: new requests wait for that."""
    HANDED_OVER = "gone"
    """It has handed its keys over."""


class ShardContext(Protocol):
    """A worker's own slot and the mesh table; a ServiceContext has both."""

    @property
    def slot(self) -> int: ...
    @property
    def table(self) -> MeshTable: ...


def owner_of(topic: str, key: bytes, workers: int) -> int:
    """Return the slot that a key belongs to: with another number of workers most keys stay where they are."""
    text = b"%b\0%b" % (topic.encode(), key)
    return max(range(max(workers, 1)), key=lambda slot: hashlib.sha256(b"%d\0%b" % (slot, text)).digest())


class IdempotencyShards:
    """One worker's view of the owners of keys."""

    def __init__(
        self,
        context: ShardContext,
        service: str,
        address: str,
        tasks: TaskGroup,
        cache: IdempotencyCache[KeyName, HttpResponse],
        *,
        post: Post,
    ) -> None:
        """`address`: the path of this worker's own socket. `post`: as `PeerWorkers` does it."""
        self._context = context
        self._service = service
        self._address = address
        self._tasks = tasks
        self._cache = cache
        self._post = post
        self._handle: Handle | None = None
        self._predecessor = self._endpoint(context.slot)
        """Address of the worker that had the slot before, until its handover."""
        self.state = ShardState.OWNER if self._predecessor in (None, address) else ShardState.AWAITING_HANDOVER
        self._handover_received = asyncio.Event()
        self._handed_over = asyncio.Event()
        if self.state is ShardState.OWNER:
            self._handover_received.set()

    def handle_with(self, handle: Handle) -> None:
        """Set the handler of forwarded requests."""
        self._handle = handle

    def forward(
        self, topic: str, key: bytes, request: Request, exchange: HooksExchange, here: Callable[[], None]
    ) -> bool:
        """Forward a request to the owner of its key; False if that is this worker. `here` serves it after all."""
        slot = self._context.slot
        if not request.hops:
            service = self._context.table.services.get(self._service)
            slot = slot if service is None else owner_of(topic, key, service.workers)
        if slot == self._context.slot and self.state is ShardState.OWNER:
            return False
        if request.hops >= MOST_HOPS:
            exchange.respond(_away())
            return True
        body = write_request(request)
        self._tasks.start_soon(self._pass_on, slot, body, exchange, here)
        return True

    def receive(self, request: Request, exchange: HooksExchange) -> None:
        """Handle a forwarded request or a handover."""
        try:
            if request.path == HANDOVER:
                self._adopt(read_handover(request.body))
                exchange.respond(HttpResponse(TAKEN))
                return
            passed_on = read_request(request.body)
        except (ValueError, KeyError, TypeError) as error:
            exchange.respond(bad_request(f"not what a worker sends: {error!r}"))
            return
        assert self._handle is not None
        self._handle(passed_on, exchange)

    async def hand_over(self, limit: float) -> None:
        """Hand the cached responses over to their next owners; new requests wait for that, then are forwarded.

        `limit`: seconds for the requests in progress.
        """
        with anyio.move_on_after(limit):
            await self._handover_received.wait()  # two reloads, one right after the other
        slot = self._context.slot
        service = self._context.table.services.get(self._service)
        successor = self._other_endpoint(slot)
        if self.state is not ShardState.OWNER or service is None or (successor is None and slot < service.workers):
            return  # all of them stop
        self.state = ShardState.HANDING_OVER
        with anyio.move_on_after(limit):
            await self._cache.settled()
        by_path: dict[str, list[StoredResponse]] = {}
        for stored in self._stored():
            path = self._other_endpoint(owner_of(stored.topic, stored.key, service.workers))
            if path is not None:
                by_path.setdefault(path, []).append(stored)
        for path in {*by_path, *([successor] if successor is not None else [])}:
            for part, last in pack(by_path.get(path, ())):
                if not await self._send(path, write_handover(part, last=last and path == successor)):
                    logger.warning(
                        "idempotency keys could not be handed over: a request that is repeated may be written twice"
                    )
                    break
        self.state = ShardState.HANDED_OVER
        self._handed_over.set()

    def _stored(self) -> Iterator[StoredResponse]:
        for (topic, key), request, age in self._cache.entries():
            if request.response is not None:
                yield StoredResponse(topic, key, request.fingerprint, age, request.response)

    async def _send(self, path: str, body: bytes) -> bool:
        try:
            response = await self._post(path, HANDOVER, body)
        except UnreachablePeer:
            return False
        return response is not None and response.status == TAKEN

    def _adopt(self, stored: tuple[list[StoredResponse], bool]) -> None:
        known, last = stored
        for each in known:
            self._cache.adopt((each.topic, each.key), each.fingerprint, each.response, each.age)
        if last:
            self._take_ownership()

    def _take_ownership(self) -> None:
        if self.state is ShardState.AWAITING_HANDOVER:
            self.state = ShardState.OWNER
            self._handover_received.set()

    async def _pass_on(self, slot: int, body: bytes, exchange: HooksExchange, here: Callable[[], None]) -> None:
        if slot == self._context.slot and self.state is ShardState.HANDING_OVER:
            await self._handed_over.wait()
        waiting = slot == self._context.slot and self.state is ShardState.AWAITING_HANDOVER
        path = self._predecessor if waiting else self._other_endpoint(slot)
        if slot == self._context.slot and self.state is ShardState.OWNER:
            here()
            return
        try:
            response = None if path is None else await self._post(path, RELAY, body)
        except UnreachablePeer:
            response = None
            if waiting:
                # It has died, and its cache with it.
                self._take_ownership()
                here()
                return
        exchange.respond(response or _away())

    def _other_endpoint(self, slot: int) -> str | None:
        """Return the address of a slot's worker, unless that is this one."""
        path = self._endpoint(slot)
        return None if path == self._address else path

    def _endpoint(self, slot: int) -> str | None:
        service = self._context.table.services.get(self._service)
        for endpoint in service.endpoints if service is not None else ():
            if endpoint.id.split("/")[1:2] == [str(slot)] and endpoint.address.startswith(UNIX):
                return endpoint.address.removeprefix(UNIX)
        return None


def _away() -> HttpResponse:
    return unavailable("The worker that remembers this idempotency key cannot be reached.")
