"""Turns fetched records into the items of a stream, and carries out the policy for bad values."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from pywatt_kafka.connection.context_task import ContextTask
from pywatt_kafka.consuming.assigned_partition import AssignedPartition
from pywatt_kafka.consuming.stream_message import StreamMessage, items_of
from pywatt_kafka.errors import SerializationFailed
from pywatt_kafka.processing.dead_letter_writer import DeadLetterWriter, failure_of
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.records import Message
from pywatt_kafka.serde.bad_values import BadValuePolicy
from pywatt_kafka.serde.conversion import from_bytes
from pywatt_kafka.serde.serializers import Deserializers

logger = logging.getLogger("pywatt_kafka")

K = TypeVar("K")
V = TypeVar("V")


class Decoder(Generic[K, V]):
    """Deserializes the keys and values of one stream."""

    def __init__(
        self,
        deserializers: Deserializers[K, V] | None,
        policy: BadValuePolicy,
        dead_letters: Callable[[], Awaitable[DeadLetterWriter]],
    ) -> None:
        """`deserializers` None: keys and values stay bytes. `dead_letters` returns the writer of dead letters."""
        self.deserializers = deserializers
        self._policy = policy
        self.dead_letters = dead_letters

    def prepared(self, messages: Sequence[Message], partition: AssignedPartition) -> Iterator[Any]:
        """Return records as items if nothing is to be deserialized, else as messages for `decode`."""
        return items_of(messages, partition) if self.deserializers is None else iter(messages)

    async def decode(self, partition: AssignedPartition, message: Message) -> StreamMessage[K, V] | None:
        """Return the item of a record; None for one that is passed over. Raises SerializationFailed."""
        fields: Any
        if self.deserializers is None:
            fields = message.key, message.value
        else:
            try:
                fields = from_bytes(self.deserializers, message)
                if type(fields) is not tuple:
                    fields = await fields
            except SerializationFailed as error:
                if self._policy.raises:
                    raise
                await pass_over(message, error, self._policy, self.dead_letters)
                return None
        (topic, number), (key, value) = partition.place, fields
        return StreamMessage(topic, number, message.offset, key, value, message.headers, message.timestamp, partition)


async def pass_over(
    message: Message,
    error: SerializationFailed,
    policy: BadValuePolicy,
    dead_letters: Callable[[], Awaitable[DeadLetterWriter]],
) -> None:
    """Log that a record is skipped; write its dead letter before, if the policy wants one."""
    topic = policy.dead_letter_topic(message.topic)
    if topic is None:
        logger.warning("%s; skipped", error)
    else:
        writer = await dead_letters()
        await writer.write(topic, message, [failure_of(error)], attempts=1)
        logger.warning("%s; it is in %s now", error, topic)


class DeadLetters:
    """The dead letters of one consumer, whose producer is opened with the first of them."""

    def __init__(self, make_producer: Callable[[], Producer]) -> None:
        self._make_producer = make_producer
        self._producer: ContextTask | None = None
        self._writer: DeadLetterWriter | None = None

    async def writer(self) -> DeadLetterWriter:
        """Return the writer of dead letters."""
        if self._writer is None:
            producer = self._make_producer()
            self._producer = ContextTask(producer)
            await self._producer.enter()
            self._writer = DeadLetterWriter(producer)
        return self._writer

    async def close(self) -> None:
        """Close the producer if there is one."""
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.leave()
