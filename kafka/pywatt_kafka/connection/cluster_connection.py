"""Keeps one client of the cluster connected: opens, checks and replaces it, and reports its status.

The client underneath (an `Engine`) may fail to open, lose its brokers, or break for good. The user of a Producer or
GroupReader sees that only as a status: the loop here continues until it is cancelled. Only a fenced client is not
replaced: the new one would fence the client that took its place, which might do the same, without end. After an outage
the client that is said to have taken the place may be the same one: a static member whose session times out forgets its
member id, and the broker, which still knows it, rejects the next heartbeat or commit as another member's. Such a member
is replaced once.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import anyio
from anyio.abc import TaskGroup, TaskStatus

from pywatt_kafka.backoff import backoff
from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus
from pywatt_kafka.engine.protocols import Engine
from pywatt_kafka.errors import Fenced, KafkaError

logger = logging.getLogger("pywatt_kafka")

OPEN_LIMIT = 20.0  # seconds for one attempt to open a client
FIRST_BACKOFF = 0.1  # seconds between attempts to open, doubled each time ...
LONGEST_BACKOFF = 2.0  # ... up to this
SOCKET_CHECK_INTERVAL = 0.5  # seconds between checks of the client's sockets, which cost no traffic
CHECK_INTERVAL = 5.0  # seconds between metadata requests of a connected client
CHECK_LIMIT = 5.0  # seconds for the response to such a request
REJOIN_LIMIT = 30.0  # seconds after an outage within which a static member may be fenced by its own former membership
LEVELS = {ConnectionState.AWAY: logging.WARNING, ConnectionState.FENCED: logging.ERROR}


EngineT = TypeVar("EngineT", bound=Engine)


class ClusterConnection(Generic[EngineT]):
    """Keeps one engine connected, in a task of its own; an async context manager."""

    _tasks: TaskGroup
    _jobs: TaskGroup

    def __init__(
        self,
        create: Callable[[], EngineT],
        *,
        name: str,
        replace_after: float,
        rejoins: bool = False,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        rng: Callable[[], float] = random.random,
    ) -> None:
        """`rejoins`: the client is a static member of a group, which replaces its own former membership."""
        self._create = create
        self._name = name
        self._replace_after = replace_after
        self._on_status = on_status
        self._clock = clock
        self._rng = rng
        self._engine: EngineT | None = None
        self._fenced: Fenced | None = None
        self._rejoins = rejoins
        self._rejoin_until = -math.inf
        """End of the time in which a fenced client is replaced; it begins again with each outage."""
        self._status = ConnectionStatus(ConnectionState.CONNECTING)
        self.connected_engine: EngineT | None = None
        """The engine while the cluster answers, else None."""
        self._changed = asyncio.Event()
        self._check_now = asyncio.Event()
        self._stopped = asyncio.Event()
        self._is_entered = False

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        self._is_entered = True
        # A group of its own within: cancelling the outer one would cancel the body too.
        self._jobs = anyio.create_task_group()
        await self._tasks.start(self._live)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._jobs.cancel_scope.cancel()
        self._tasks.cancel_scope.cancel()
        if isinstance(error, asyncio.CancelledError):
            await self._tasks.__aexit__(kind, error, trace)
        else:
            # the group would wrap the body's own error into an ExceptionGroup
            await self._tasks.__aexit__(None, None, None)

    async def stop(self) -> None:
        """Close the engine and end the tasks, from any task; the connection cannot be used afterwards."""
        if self._is_entered:
            self._jobs.cancel_scope.cancel()
            await self._stopped.wait()

    @property
    def status(self) -> ConnectionStatus:
        """The current status."""
        return self._status

    @property
    def is_connected(self) -> bool:
        """True while the cluster answers."""
        return self._status.state is ConnectionState.CONNECTED

    @property
    def is_rejoining(self) -> bool:
        """True for a static member in an outage and shortly after it: if it is fenced, then by itself."""
        return self._fenced is None and self._clock() < self._rejoin_until

    def is_final(self, error: KafkaError) -> bool:
        """Return whether a call's error means that this client is fenced and will not be replaced."""
        return isinstance(error, Fenced) and not self.is_rejoining

    @property
    def engine(self) -> EngineT | None:
        """The open engine, even while its brokers do not answer; None while there is none."""
        return self._engine

    async def connected(self) -> EngineT:
        """Wait until the cluster answers; return the engine. Raises Fenced."""
        while self._engine is None or self._status.state is not ConnectionState.CONNECTED:
            self._check_fenced()
            await self._changed.wait()
        return self._engine

    async def accepted(self) -> EngineT:
        """Wait until the cluster answers; return the engine. Raises NotAuthorized or Fenced."""
        while self._engine is None or self._status.state is not ConnectionState.CONNECTED:
            if (error := self._status.failure) is not None:
                raise type(error)(error.message, hint=error.hint, code=error.code) from error
            await self._changed.wait()
        return self._engine

    async def opened(self) -> EngineT:
        """Wait until there is an open engine, even if its brokers do not answer; return it. Raises Fenced."""
        self._check_fenced()
        while self._engine is None:
            await self._changed.wait()
            self._check_fenced()
        return self._engine

    def start_soon(self, job: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        """Start a task that is cancelled with the connection."""
        self._jobs.start_soon(job, *args)

    def check_soon(self) -> None:
        """Check the cluster now instead of at the next interval, as after a failed call."""
        self._check_now.set()

    async def _live(self, *, task_status: TaskStatus[None]) -> None:
        try:
            async with self._jobs:
                task_status.started()
                self._jobs.start_soon(self._run)
        finally:
            self._stopped.set()

    def _check_fenced(self) -> None:
        if (error := self._fenced) is not None:
            raise Fenced(error.message, hint=error.hint, code=error.code) from error

    async def _run(self) -> None:
        while self._fenced is None:
            engine = await self._open()
            is_replaced = False
            try:
                self._engine = engine
                self._set(ConnectionState.CONNECTED)
                await self._watch(engine)
            except Fenced as error:
                if is_replaced := self.is_rejoining:
                    self._set(ConnectionState.AWAY, "its member id was lost in the outage; it joins again")
                else:
                    self._fenced = error
                    self._set(ConnectionState.FENCED, str(error), error)
                    logger.error("Kafka %s: fix: %s", self._name, error.hint)
            finally:
                with anyio.CancelScope(shield=True):
                    await engine.close()
                self._engine = self.connected_engine = None
            if is_replaced:  # only now, as calls of the closing client may fail as fenced ones
                self._rejoin_until = -math.inf

    async def _open(self) -> EngineT:
        retries = 0
        while True:
            engine = self._create()
            try:
                with anyio.fail_after(OPEN_LIMIT):
                    await engine.open()
            except (KafkaError, TimeoutError) as error:
                self._set(ConnectionState.AWAY, str(error) or f"no answer within {OPEN_LIMIT:g} s", error)
                with anyio.CancelScope(shield=True):
                    await engine.close()
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await engine.close()
                raise
            else:
                return engine
            pause = backoff(retries, first=FIRST_BACKOFF, longest=LONGEST_BACKOFF)
            await anyio.sleep(pause * (0.5 + self._rng()))
            retries += 1

    async def _watch(self, engine: EngineT) -> None:
        """Check the engine regularly; return when it must be replaced. Raises Fenced."""
        checked = self._clock()
        away_since: float | None = None
        while True:
            with anyio.move_on_after(SOCKET_CHECK_INTERVAL):
                await self._check_now.wait()
            nudged = self._check_now.is_set()
            self._check_now = asyncio.Event()
            if engine.broken():
                self._set(ConnectionState.AWAY, self._status.reason or "the client failed and is being replaced")
                return
            now = self._clock()
            due = now - checked >= CHECK_INTERVAL
            if not (due or nudged or away_since is not None or engine.stale()):
                continue
            checked = now
            try:
                with anyio.fail_after(CHECK_LIMIT):
                    await engine.check()
            except Fenced:
                raise
            except (KafkaError, TimeoutError) as error:
                away_since = now if away_since is None else away_since
                self._set(ConnectionState.AWAY, str(error) or f"no answer within {CHECK_LIMIT:g} s", error)
                if now - away_since >= self._replace_after:
                    return
            else:
                away_since = None
                self._set(ConnectionState.CONNECTED)

    def _set(self, state: ConnectionState, reason: str = "", error: Exception | None = None) -> None:
        status = ConnectionStatus(state, reason, error if isinstance(error, KafkaError) else None)
        self.connected_engine = self._engine if state is ConnectionState.CONNECTED else None
        if state is ConnectionState.AWAY and self._rejoins:
            self._rejoin_until = self._clock() + REJOIN_LIMIT
        if status == self._status:
            self._wake()
            return
        if state is not self._status.state:
            level = LEVELS.get(state, logging.INFO)
            logger.log(level, "Kafka %s: %s%s", self._name, state.value, f" ({reason})" if reason else "")
        self._status = status
        self._wake()
        if self._on_status is not None:
            self._on_status(status)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
