"""The items of a share consumer, each with an acknowledgement of its own."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

from pywatt_kafka.engine.share_group import Acknowledgement, ShareGroupEngine
from pywatt_kafka.records import Headers

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class SharedMessage(Generic[K, V]):
    """A record that this consumer holds: call `accept`, `release` or `reject` before its lock expires (30 s).

    Each raises CommitFailed when another member holds it by now, and KafkaUnavailable when no broker answers.
    """

    topic: str
    partition: int
    offset: int
    key: K
    value: V
    """As the deserializer returns it. Without one: bytes, or None for a tombstone."""
    headers: Headers
    timestamp: int
    """Milliseconds since 1970 (UTC); -1: the record has none."""
    delivery_count: int
    """1 the first time that the record is delivered."""
    _engine: ShareGroupEngine

    async def accept(self) -> None:
        """Report that it is done: it is not delivered again."""
        await self.acknowledge(Acknowledgement.ACCEPT)

    async def release(self) -> None:
        """Give it back: it is delivered again, to any member, at most five times in all (a setting of the group)."""
        await self.acknowledge(Acknowledgement.RELEASE)

    async def reject(self) -> None:
        """Drop it: it is never delivered again."""
        await self.acknowledge(Acknowledgement.REJECT)

    async def acknowledge(self, outcome: Acknowledgement) -> None:
        """Report its outcome, and wait for the broker's answer."""
        await self.acknowledge_soon(outcome)

    def acknowledge_soon(self, outcome: Acknowledgement) -> asyncio.Future[None]:
        """Report its outcome without waiting; return a future of the broker's answer, which need not be awaited."""
        return self._engine.acknowledge((self.topic, self.partition, self.offset), outcome)
