"""Settings and records of a share group's member."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

from pywatt_kafka.engine.protocols import Engine
from pywatt_kafka.records import Message

Place: TypeAlias = tuple[str, int, int]
"""Topic, partition and offset."""


class Acknowledgement(enum.Enum):
    """Outcome of a record, for the broker."""

    ACCEPT = enum.auto()
    """Done: it is not delivered again."""
    RELEASE = enum.auto()
    """Deliver it again, to any member, unless it was delivered too often (`group.share.delivery.count.limit`)."""
    REJECT = enum.auto()
    """Never deliver it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareSettings:
    """Settings of a share group engine."""

    group: str
    topics: tuple[str, ...]
    client_id: str
    max_records: int
    """Records that a member is given at once, about."""


class AcquiredRecord(NamedTuple):
    """A record that this member holds until it acknowledges it or its lock expires."""

    message: Message
    delivery_count: int
    """1 the first time that the record is delivered."""


class ShareGroupEngine(Engine, Protocol):
    """An engine that reads as a member of a share group."""

    async def fetch(self) -> Sequence[AcquiredRecord]:
        """Return the next records, once all of the last ones are acknowledged. Raises KafkaError."""
        ...

    def acknowledge(self, place: Place, kind: Acknowledgement) -> asyncio.Future[None]:
        """Tell the broker what became of a record; return a future of its answer."""
        ...
