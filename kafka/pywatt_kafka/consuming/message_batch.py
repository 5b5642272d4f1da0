"""A list of records that are handled and committed together."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from pywatt_kafka.consuming.stream_message import StreamMessage

K = TypeVar("K")
V = TypeVar("V")


class MessageBatch(list[StreamMessage[K, V]]):
    """Records of a stream, in the order of each partition."""

    async def commit(self) -> None:
        """Commit all of them in one request. Raises as `StreamMessage.commit` does."""
        last = {message.assigned: message for message in self}
        await asyncio.gather(*(message.commit() for message in last.values()))

    def drop_lost(self) -> None:
        """Remove the records whose partition another member has got meanwhile."""
        self[:] = [message for message in self if not message.lost]
