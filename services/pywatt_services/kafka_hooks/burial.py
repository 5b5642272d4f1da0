"""Writes the dead letters of one entry of `topics`: a record is not done before its letter is acknowledged."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import time
from typing import Protocol

from pywatt_kafka.errors import KafkaError, RecordTooLarge
from pywatt_kafka.records import RecordPosition
from pywatt_services.kafka_hooks.config import DeadLetterFormat
from pywatt_services.kafka_hooks.dead_letter import dead_letter
from pywatt_services.kafka_hooks.delivery import Delivery
from pywatt_services.kafka_hooks.meters import TopicMeter
from pywatt_services.kafka_hooks.pace import Pace
from pywatt_services.kafka_hooks.retry import DeadLetter

logger = logging.getLogger("pywatt.kafka_hooks")

FIRST_BACKOFF = 0.5  # seconds before a dead letter that could not be written is tried again, doubled each time ...
LONGEST_BACKOFF = 15.0  # ... up to this


class RecordWriter(Protocol):
    """What writes dead letters; raises KafkaError."""

    async def send(self, topic: str, value: bytes | None) -> RecordPosition: ...


class Burial:
    """Where the dead letters of one entry go."""

    def __init__(
        self,
        topic: str | None,
        *,
        writer: RecordWriter,
        form: DeadLetterFormat,
        meter: TopicMeter,
        now: Callable[[], float] = time,
    ) -> None:
        """`topic` None: they are only logged."""
        self._topic = topic
        self._writer = writer
        self._form = form
        self._meter = meter
        self._now = now
        self._pace = Pace()

    async def bury(self, delivery: Delivery, verdict: DeadLetter) -> float | None:
        """Write the dead letter; return the seconds until that must be tried again, None when it is acknowledged."""
        if self._topic is None:
            logger.error(
                "%s is given up after %d attempts (%s) and has no dead-letter topic: key %r, last: %s",
                delivery.place,
                delivery.attempts,
                verdict.reason,
                delivery.message.key,
                delivery.failures[-1].outcome,
            )
            return None
        try:
            try:
                await self._writer.send(self._topic, self._letter(delivery))
            except RecordTooLarge:
                await self._writer.send(self._topic, self._letter(delivery, whole=False))
                logger.error(
                    "%s is too large for a dead letter in %s, which says only where it is", delivery.place, self._topic
                )
        except KafkaError as error:
            wait = delivery.dlq_backoff = min(max(delivery.dlq_backoff * 2, FIRST_BACKOFF), LONGEST_BACKOFF)
            if self._pace.due():
                logger.warning("%s stays unfinished, its dead letter cannot be written: %s", delivery.place, error)
            return wait
        self._meter.buried(verdict.reason)
        logger.debug("%s is in %s now (%s)", delivery.place, self._topic, verdict.reason)
        return None

    def _letter(self, delivery: Delivery, *, whole: bool = True) -> bytes:
        return dead_letter(
            delivery.message,
            delivery.failures,
            self._form,
            attempts=delivery.attempts,
            now=self._now(),
            whole=whole,
        )
