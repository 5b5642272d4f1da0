"""Opens and closes aiokafka's clients without leaving a socket or task behind.

aiokafka loses a socket whose opening is cancelled, opens others after its client was closed, and lets cancellations of
its own background tasks escape from `stop`, where they look like the caller's. So opening is never cancelled halfway,
and each step of closing has a task of its own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

logger = logging.getLogger("pywatt_kafka")

GRACE = 2.0  # seconds for an opening that is under way when its client is closed
CLOSE_LIMIT = 3.0  # seconds for one step
JOIN_GRACE = 0.1  # seconds for a join to be answered while its consumer is being closed

ResultT = TypeVar("ResultT")


class Sockets:
    """The sockets of one aiokafka client."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._get_connection = client._get_conn
        self._opening: set[asyncio.Task[Any]] = set()
        client._get_conn = self._get

    def any_live(self) -> bool:
        """Return whether a socket is connected."""
        return any(connection.connected() for connection in self._client._conns.values())

    async def open(self, step: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a step that opens sockets. It continues after the caller is cancelled, until `settle`."""
        task = asyncio.ensure_future(step)
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return await asyncio.shield(task)

    async def settle(self) -> None:
        """Wait a limited time for sockets that are being opened."""
        for task in tuple(self._opening):
            await _end(task, GRACE)

    async def close(self) -> None:
        """Close all sockets, including those that were opened while the client was closing."""
        await finish(self._client.close(), CLOSE_LIMIT)
        await self.settle()
        await finish(self._client.close(), CLOSE_LIMIT)

    async def _get(self, node: Any, **options: Any) -> Any:
        from aiokafka.client import ConnectionGroup

        known = self._client._conns.get((node, options.get("group", ConnectionGroup.DEFAULT)))
        if known is not None and known.connected():
            return known
        return await self.open(self._get_connection(node, **options))


async def finish(step: Coroutine[Any, Any, object], limit: float) -> bool:
    """Run one of aiokafka's closing steps for at most `limit` seconds; return whether it succeeded.

    Raises nothing, as the caller can do nothing about a failure.
    """
    return await _end(asyncio.ensure_future(step), limit)


async def complete_shielded(step: Coroutine[Any, Any, None]) -> None:
    """Run a closing step to its end, even when the caller is cancelled."""
    task = asyncio.ensure_future(step)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        with anyio.CancelScope(shield=True):
            await asyncio.wait({task})
        raise


async def close_consumer(consumer: Any, sockets: Sockets) -> None:
    """Stop an AIOKafkaConsumer, and end the tasks that its `stop` misses when it takes too long or fails."""
    await sockets.settle()
    coordinator, fetcher = consumer._coordinator, consumer._fetcher
    stopping = asyncio.ensure_future(consumer.stop())
    await asyncio.wait({stopping}, timeout=JOIN_GRACE)
    if not stopping.done() and coordinator is not None and consumer._group_id is not None:
        await _withdraw(consumer._client, coordinator)
    if not await _end(stopping, CLOSE_LIMIT):
        if coordinator is not None and consumer._group_id is not None:
            await finish(coordinator._stop_heartbeat_task(), CLOSE_LIMIT)
            await finish(coordinator._stop_commit_offsets_refresh_task(), CLOSE_LIMIT)
        if fetcher is not None:
            for task in (fetcher._fetch_task, *fetcher._pending_tasks):
                task.cancel()
                await _end(task, CLOSE_LIMIT)
    await sockets.close()


async def _withdraw(client: Any, coordinator: Any) -> None:
    """Cancel a pending join: a new group answers it only after seconds, while it waits for further members.

    A member that already has an id leaves, so that the group does not wait for it; a static one stays.
    """
    from aiokafka.client import ConnectionGroup
    from aiokafka.protocol.group import JoinGroupRequest, LeaveGroupRequest

    connection = client._conns.get((coordinator.coordinator_id, ConnectionGroup.COORDINATION))
    if connection is None or all(request.API_KEY != JoinGroupRequest.API_KEY for _, request, _ in connection._requests):
        return
    if coordinator.member_id and coordinator._group_instance_id is None:
        leave = LeaveGroupRequest(coordinator.group_id, coordinator.member_id)
        await finish(client.send(coordinator.coordinator_id, leave), CLOSE_LIMIT)
    connection.close()


async def _end(task: asyncio.Future[Any], limit: float) -> bool:
    """Wait for a task, cancel it after the limit (seconds); return whether it succeeded."""
    await asyncio.wait({task}, timeout=limit)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    if task.cancelled():
        return False
    if (error := task.exception()) is not None:
        logger.debug("while closing a Kafka client: %r", error)
        return False
    return True
