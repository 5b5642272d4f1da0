"""The connection of administration clients: sends each request to the broker that takes it, and tries again."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio

from pywatt_kafka.aiokafka.client import bootstrap_errors, client_settings, require_aiokafka
from pywatt_kafka.aiokafka.connect_errors import unreachable
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.sockets import Sockets, complete_shielded
from pywatt_kafka.broker_errors import NAMES, broker_error
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.connection.client_id import client_id_from
from pywatt_kafka.connection.lifecycle import Lifecycle
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.records import TopicPartition
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

LIMIT = 10.0  # seconds
RETRY_INTERVAL = 0.1  # seconds

ResultT = TypeVar("ResultT")


class NoSuchRequest(KafkaError):
    """The broker knows no version of a request that this library does."""

    def __init__(self, during: str = "") -> None:
        super().__init__(
            f"{during}: this broker has no such request" if during else "this broker has no such request",
            hint="the embedded broker has few; a real one: pywatt kafka start",
        )


class AdminConnection:
    """A connection to a cluster; an async context manager, or `connect` and `close`.

    Connecting fails at once when no broker answers. After that each call is tried again within the timeout, while its
    failure can pass: a broker that restarts, a leader or coordinator that moves.
    """

    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        client_id: str | None = None,
        security: Security | None = None,
        timeout: float = LIMIT,
    ) -> None:
        """`bootstrap_brokers`, `client_id`, `security`: as for Producer. `timeout`: of each call, in seconds."""
        self._addresses = brokers_from(bootstrap_brokers, os.environ)
        self._client_id = client_id_from(client_id, os.environ)
        self._security = security_from(security, os.environ)
        self._timeout = timeout
        self._lifecycle = Lifecycle("Admin")
        self._native: Any = None
        self._sockets: Sockets | None = None

    def use(self, native: Any) -> Self:
        """Use the connected client of an AIOKafkaConsumer, which stays its owner's to close."""
        self._lifecycle.begin()
        self._native = native
        return self

    async def connect(self) -> None:
        """Connect; does nothing when connected. Raises KafkaUnavailable, NotAuthorized, ClientClosed, WrongLoop."""
        if not self._lifecycle.begin():
            return
        require_aiokafka()
        from aiokafka.client import AIOKafkaClient

        native: Any = AIOKafkaClient(
            client_id=self._client_id,
            request_timeout_ms=int(self._timeout * 1000),
            **client_settings(self._addresses, self._security),
        )
        sockets = Sockets(native)
        try:
            with anyio.fail_after(self._timeout), bootstrap_errors(self._addresses):
                await sockets.open(native.bootstrap())
        except BaseException as error:
            await complete_shielded(sockets.close())
            if isinstance(error, TimeoutError):
                raise unreachable(self._addresses) from error
            raise
        self._native, self._sockets = native, sockets

    async def close(self) -> None:
        """Close; does nothing when closed. Raises WrongLoop."""
        self._lifecycle.end()
        sockets, self._native, self._sockets = self._sockets, None, None
        if sockets is not None:
            await complete_shielded(sockets.close())

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def within(self, timeout: float) -> AsyncGenerator[None]:
        """Connect, run the block, and close, all in so many seconds. Raises KafkaUnavailable."""
        try:
            with anyio.fail_after(timeout):
                async with self:
                    yield
        except TimeoutError as error:
            raise unreachable(self._addresses) from error

    async def _call(self, during: str, step: Callable[[], Awaitable[ResultT]]) -> ResultT:
        """Run a step, again while its failure can pass. Raises KafkaError, within the timeout."""
        reason: KafkaError | None = None
        try:
            with anyio.fail_after(self._timeout):
                while True:
                    try:
                        with translated(during):
                            return await step()
                    except NoSuchRequest as error:
                        raise NoSuchRequest(during) from error
                    except KafkaUnavailable as error:
                        reason = error
                    await anyio.sleep(RETRY_INTERVAL)
                    with suppress(KafkaError), translated(during):
                        await self._client.force_metadata_update()
        except TimeoutError as error:
            raise KafkaUnavailable(
                str(reason) if reason else f"{during}: no answer from {','.join(self._addresses)}",
                hint=f"tried for {self._timeout:g} s",
            ) from (reason or error)

    async def _send(self, request: Any, node: int | None = None) -> Any:
        """Send a request to a broker, by default to any."""
        from aiokafka.errors import IncompatibleBrokerVersion

        try:
            return await self._client.send(self._client.get_random_node() if node is None else node, request)
        except (IncompatibleBrokerVersion, NotImplementedError) as error:
            raise NoSuchRequest from error

    async def _send_to_controller(self, request: Any) -> Any:
        """Send a request to the controller; on KRaft a broker passes it on."""
        if self._client.cluster.controller is None:
            await self._client.force_metadata_update()
        controller = self._client.cluster.controller
        if controller is None:
            raise NoSuchRequest
        return await self._send(request, controller.nodeId)

    async def _send_to_coordinator(self, group: str, request: Any) -> Any:
        """Send a request to the broker that coordinates a group."""
        from aiokafka.protocol.coordination import FindCoordinatorRequest

        answer = await self._send(FindCoordinatorRequest(group, 0))
        raise_for(answer.error_code, f"finding the coordinator of group {group}")
        return await self._send(request, answer.coordinator_id)

    async def _send_to_leaders(
        self, partitions: Iterable[TopicPartition], request: Callable[[Mapping[str, Sequence[int]]], Any]
    ) -> Sequence[Any]:
        """Send to each leader the request for its partitions, by topic; return the answers."""
        by_leader: dict[int, dict[str, list[int]]] = {}
        leaders: dict[TopicPartition, int] = {}
        wanted = sorted(partitions)
        for topic in await self._metadata({place.topic for place in wanted}):
            for part in topic["partitions"]:
                leaders[TopicPartition(topic["topic"], part["partition"])] = part["leader"]
        for place in wanted:
            leader = leaders.get(place)
            if leader is None:
                raise_for(UNKNOWN_TOPIC_OR_PARTITION, f"finding the leader of {place.topic}[{place.partition}]")
            elif leader < 0:
                raise_for(LEADER_NOT_AVAILABLE, f"finding the leader of {place.topic}[{place.partition}]")
            else:
                by_leader.setdefault(leader, {}).setdefault(place.topic, []).append(place.partition)
        return [await self._send(request(topics), leader) for leader, topics in by_leader.items()]

    async def _metadata(self, topics: Iterable[str] | None, *, create: bool = False) -> Sequence[Mapping[str, Any]]:
        """Return what the broker knows of topics, None: of all; `create`: they come into being, if it does that."""
        from aiokafka.protocol.metadata import MetadataRequest

        names = None if topics is None else sorted(topics)
        if names == []:  # which an old version of the request would take for all
            return ()
        answer = await self._send(MetadataRequest(names, create))
        described: Sequence[Mapping[str, Any]] = answer.to_object()["topics"]
        return described

    @property
    def is_embedded(self) -> bool:
        """The broker is the embedded one, which has no controller."""
        return self._client.cluster.controller is None

    @property
    def _client(self) -> Any:
        self._lifecycle.check()
        if self._native is None:
            raise self._lifecycle.refusal()
        return self._native


UNKNOWN_TOPIC_OR_PARTITION = 3
LEADER_NOT_AVAILABLE = 5
PLAIN = {"UNKNOWN_TOPIC_OR_PARTITION": "there is no such topic or partition"}
"""Messages for errors that brokers report without one."""


def raise_for(code: int, during: str, detail: str | None = None) -> None:
    """Raise the KafkaError for the error code of a broker; 0 is none."""
    if code:
        name = NAMES.get(code, "")
        raise broker_error(name, f"{during}: {detail or PLAIN.get(name, name) or f'error {code}'}")
