"""Writes dead letters and records of retry topics, with a PRODUCER span for each whose trace is sampled."""

from __future__ import annotations

from typing import Any

from pywatt.telemetry.messaging import decide, fields_of
from pywatt.telemetry.tracing import Tracing
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import Headers, RecordPosition
from pywatt_kafka.tracing.attributes import (
    DESTINATION,
    OFFSET,
    OPERATION,
    OPERATION_TYPE,
    PARTITION,
    SYSTEM,
    NamingMode,
    named,
)
from pywatt_services.kafka_hooks.delivering.undelivered_writer import RecordWriter


class TracedWriter:
    """Writes records, and records it. Their headers stay: what follows belongs to the first record's context."""

    def __init__(self, writer: RecordWriter, tracing: Tracing, mode: NamingMode) -> None:
        self._writer = writer
        self._tracing = tracing
        self._mode = mode

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        placed_by: bytes | None = None,
    ) -> RecordPosition:
        """Write a record. Raises KafkaError."""
        fields = fields_of(headers)
        options: dict[str, Any] = {"key": key, "headers": headers, "placed_by": placed_by}
        if not fields or not decide(fields, self._tracing.sampler).is_sampled:
            return await self._writer.send(topic, value, **options)
        attributes = {SYSTEM: "kafka", OPERATION: "send", OPERATION_TYPE: "send", DESTINATION: topic}
        span = self._tracing.spans.producer(f"send {topic}", fields, named(attributes, self._mode))
        try:
            position = await self._writer.send(topic, value, **options)
        except KafkaError as error:
            span.fail(type(error).__name__, error.message)
            raise
        else:
            span.set(named({PARTITION: str(position.partition), OFFSET: position.offset}, self._mode))
            return position
        finally:
            span.end()
