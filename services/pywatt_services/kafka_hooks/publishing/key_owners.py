"""Which worker of a service remembers an idempotency key, and how requests and memories get to it.

Each key belongs to one slot, by rendezvous hashing. Another worker that gets the request has the slot's worker answer
it. A worker that replaces another one leaves the slot's keys to that one until it has been given the memory, so that no
key is in two memories, or in none. Where the owner cannot be reached the client is told to come back: who sends a key
does not want to have written twice.
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
from pywatt_services.kafka_hooks.http.answers import HttpAnswer, bad_request, unavailable
from pywatt_services.kafka_hooks.http.exchange import Exchange, Request
from pywatt_services.kafka_hooks.publishing.idempotency import FirstAnswers
from pywatt_services.kafka_hooks.publishing.memory_form import (
    Memory,
    pack,
    read_memory,
    read_request,
    write_memory,
    write_request,
)
from pywatt_services.kafka_hooks.publishing.siblings import UNIX, UnreachableSibling, post

logger = logging.getLogger("pywatt.kafka_hooks")

RELAY, MEMORY = "/.pywatt/idempotency/relay", "/.pywatt/idempotency/memory"
PATHS = frozenset({RELAY, MEMORY})
MOST_HOPS = 3
TAKEN = 204

Post: TypeAlias = Callable[[str, str, bytes], Awaitable[HttpAnswer | None]]
KeyName: TypeAlias = tuple[str, bytes]
Handle: TypeAlias = Callable[[Request, Exchange], None]


class Owning(enum.Enum):
    """What a worker is to the keys of its slot."""

    HEIR = "heir"
    """The worker before it has them still."""
    OWNER = "owner"
    LEAVING = "leaving"
    """It gives them away: new requests wait for that."""
    GONE = "gone"
    """It has given them away."""


class Place(Protocol):
    """What a worker knows of itself and the others; a ServiceContext does."""

    @property
    def slot(self) -> int: ...
    @property
    def table(self) -> MeshTable: ...


def owner_of(topic: str, key: bytes, workers: int) -> int:
    """Return the slot that a key belongs to: with another number of workers most keys stay where they are."""
    text = b"%b\0%b" % (topic.encode(), key)
    return max(range(max(workers, 1)), key=lambda slot: hashlib.sha256(b"%d\0%b" % (slot, text)).digest())


class KeyOwners:
    """One worker's view of who owns which keys."""

    def __init__(
        self,
        place: Place,
        service: str,
        address: str,
        tasks: TaskGroup,
        memory: FirstAnswers[KeyName, HttpAnswer],
        *,
        post: Post = post,
    ) -> None:
        """`address`: the path of this worker's own socket."""
        self._place = place
        self._service = service
        self._address = address
        self._tasks = tasks
        self._memory = memory
        self._post = post
        self._handle: Handle | None = None
        self._before = self._endpoint(place.slot)
        """The worker that had the slot before, while it has the memory."""
        self.owning = Owning.OWNER if self._before in (None, address) else Owning.HEIR
        self._inherited = asyncio.Event()
        self._given_away = asyncio.Event()
        if self.owning is Owning.OWNER:
            self._inherited.set()

    def handle_with(self, handle: Handle) -> None:
        """Have requests that others pass on handled like this."""
        self._handle = handle

    def elsewhere(self, topic: str, key: bytes, request: Request, exchange: Exchange, here: Callable[[], None]) -> bool:
        """Have the owner of a key answer the request; False if that is this worker. `here` serves it after all."""
        slot = self._place.slot
        if not request.hops:
            service = self._place.table.services.get(self._service)
            slot = slot if service is None else owner_of(topic, key, service.workers)
        if slot == self._place.slot and self.owning is Owning.OWNER:
            return False
        if request.hops >= MOST_HOPS:
            exchange.answer(_away())
            return True
        body = write_request(request)
        self._tasks.start_soon(self._pass_on, slot, body, exchange, here)
        return True

    def receive(self, request: Request, exchange: Exchange) -> None:
        """Take what another worker sends."""
        try:
            if request.path == MEMORY:
                self._adopt(read_memory(request.body))
                exchange.answer(HttpAnswer(TAKEN))
                return
            passed_on = read_request(request.body)
        except (ValueError, KeyError, TypeError) as error:
            exchange.answer(bad_request(f"not what a worker sends: {error!r}"))
            return
        assert self._handle is not None
        self._handle(passed_on, exchange)

    async def give_away(self, limit: float) -> None:
        """Hand what is remembered over to those who own it from now on; new requests wait for that, then go there.

        `limit`: seconds for the requests that are being served.
        """
        with anyio.move_on_after(limit):
            await self._inherited.wait()  # two reloads, one right after the other
        slot = self._place.slot
        service = self._place.table.services.get(self._service)
        heir = self._heir(slot)
        if self.owning is not Owning.OWNER or service is None or (heir is None and slot < service.workers):
            return  # all of them stop
        self.owning = Owning.LEAVING
        with anyio.move_on_after(limit):
            await self._memory.settled()
        by_path: dict[str, list[Memory]] = {}
        for memory in self._remembered():
            path = self._heir(owner_of(memory.topic, memory.key, service.workers))
            if path is not None:
                by_path.setdefault(path, []).append(memory)
        for path in {*by_path, *([heir] if heir is not None else [])}:
            for part, last in pack(by_path.get(path, ())):
                if not await self._send(path, write_memory(part, last=last and path == heir)):
                    logger.warning(
                        "idempotency keys could not be handed over: a request that is repeated may be written twice"
                    )
                    break
        self.owning = Owning.GONE
        self._given_away.set()

    def _remembered(self) -> Iterator[Memory]:
        for (topic, key), attempt, age in self._memory.remembered():
            if attempt.answer is not None:
                yield Memory(topic, key, attempt.fingerprint, age, attempt.answer)

    async def _send(self, path: str, body: bytes) -> bool:
        try:
            answer = await self._post(path, MEMORY, body)
        except UnreachableSibling:
            return False
        return answer is not None and answer.status == TAKEN

    def _adopt(self, memories: tuple[list[Memory], bool]) -> None:
        known, last = memories
        for each in known:
            self._memory.adopt((each.topic, each.key), each.fingerprint, each.answer, each.age)
        if last:
            self._inherit()

    def _inherit(self) -> None:
        if self.owning is Owning.HEIR:
            self.owning = Owning.OWNER
            self._inherited.set()

    async def _pass_on(self, slot: int, body: bytes, exchange: Exchange, here: Callable[[], None]) -> None:
        if slot == self._place.slot and self.owning is Owning.LEAVING:
            await self._given_away.wait()
        heir = slot == self._place.slot and self.owning is Owning.HEIR
        path = self._before if heir else self._heir(slot)
        if slot == self._place.slot and self.owning is Owning.OWNER:
            here()
            return
        try:
            answer = None if path is None else await self._post(path, RELAY, body)
        except UnreachableSibling:
            answer = None
            if heir:
                # It has died, and what it remembered with it.
                self._inherit()
                here()
                return
        exchange.answer(answer or _away())

    def _heir(self, slot: int) -> str | None:
        """Return where the worker of a slot listens, unless that is this one."""
        path = self._endpoint(slot)
        return None if path == self._address else path

    def _endpoint(self, slot: int) -> str | None:
        service = self._place.table.services.get(self._service)
        for endpoint in service.endpoints if service is not None else ():
            if endpoint.id.split("/")[1:2] == [str(slot)] and endpoint.address.startswith(UNIX):
                return endpoint.address.removeprefix(UNIX)
        return None


def _away() -> HttpAnswer:
    return unavailable("The worker that remembers this idempotency key cannot be reached.")
