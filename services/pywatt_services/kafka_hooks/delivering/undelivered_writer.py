"""Writes the dead letters of one entry of `topics`, and its records in a retry topic.

A record is finished only once that is acknowledged.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from time import time
from typing import Protocol

from pywatt.backoff import backoff
from pywatt.telemetry.messaging import trace_headers
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_kafka.errors import InvalidRecord, KafkaError, RecordTooLarge
from pywatt_kafka.records import Headers, Message, RecordPosition
from pywatt_services.diagnostics.log_throttle import LogThrottle
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.dead_letter import dead_letter
from pywatt_services.kafka_hooks.delivering.failure_log import FailureLog
from pywatt_services.kafka_hooks.delivering.retry_record import retry_headers, retry_value
from pywatt_services.kafka_hooks.metrics.delivery_metrics import TopicMetrics
from pywatt_services.kafka_hooks.webhooks.retry import Postpone, SendToDlq
from pywatt_services.kafka_hooks.webhooks.target_name import TargetName

logger = logging.getLogger("pywatt.kafka_hooks")

FIRST_BACKOFF = 0.5  # seconds before a dead letter that could not be written is tried again, doubled each time ...
LONGEST_BACKOFF = 15.0  # ... up to this
RECORD_OVERHEAD = 128  # bytes of a record and its batch beside the value


class RecordWriter(Protocol):
    """Writes records; raises KafkaError."""

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        placed_by: bytes | None = None,
    ) -> RecordPosition:
        """`placed_by` chooses the partition as a key would."""
        ...


class UndeliveredWriter:
    """Writes the records of one entry that are not delivered now."""

    def __init__(
        self,
        topic: str | None,
        retry_topic: str | None = None,
        *,
        target: TargetName,
        writer: RecordWriter,
        largest: int | None,
        form: DeadLetterFormat,
        metrics: TopicMetrics,
        failure_log: FailureLog,
        now: Callable[[], float] = time,
    ) -> None:
        """`topic`: of dead letters; None: they are only logged. `largest`: bytes that the writer takes, if known."""
        self._topic = topic
        self._retry_topic = retry_topic
        self._target = target
        self._writer = writer
        self._largest = largest
        self._form = form
        self._meter = metrics
        self._failure_log = failure_log
        self._now = now
        self._throttle = LogThrottle()

    async def write(self, delivery: Delivery, disposition: SendToDlq | Postpone) -> float | None:
        """Write the dead letter or retry record; return the seconds until the next step, None when it is done."""
        try:
            if isinstance(disposition, Postpone):
                return await self._postpone(delivery, disposition)
            await self._write_letter(delivery, disposition)
        except KafkaError as error:
            wait = backoff(delivery.dlq_failures, first=FIRST_BACKOFF, longest=LONGEST_BACKOFF)
            delivery.dlq_failures += 1
            delivery.obstacle = self._obstacle(error, isinstance(disposition, Postpone))
            if self._throttle.due():
                what = "its record for the retry topic" if isinstance(disposition, Postpone) else "its dead letter"
                logger.warning("%s stays unfinished, %s cannot be written: %s", delivery.place, what, delivery.obstacle)
            return wait
        return None

    def _obstacle(self, error: KafkaError, to_retry: bool) -> str:
        """Return the reason for an error and, where the topic's settings cause it, a remedy."""
        topic = self._retry_topic if to_retry else self._topic
        if isinstance(error, RecordTooLarge):
            return f"{error.message}; raise max.message.bytes of {topic}"
        if isinstance(error, InvalidRecord) and not to_retry:
            return f"{error.message}; letters have no key: set cleanup.policy=delete for {topic}"
        return f"{error.message}; {error.hint}" if error.hint else error.message

    async def _postpone(self, delivery: Delivery, disposition: Postpone) -> float | None:
        assert self._retry_topic is not None
        message = delivery.message
        headers = retry_headers(
            message,
            attempts=delivery.attempts,
            due=disposition.until,
            failures=delivery.failures,
            target_id=self._target_of(delivery).id,
            read_at=delivery.read_at,
        )
        try:
            await self._writer.send(self._retry_topic, retry_value(message), key=message.key, headers=headers)
        except RecordTooLarge:
            logger.debug(
                "%s is too large for %s: it is tried again from where it is", delivery.place, self._retry_topic
            )
            delivery.disposition = None
            return max(disposition.until - self._now(), 0.0)
        return None

    async def _write_letter(self, delivery: Delivery, disposition: SendToDlq) -> None:
        if self._topic is None:
            logger.error(
                "%s is given up after %d attempts (%s) and has no dead-letter topic: key %r, last: %s",
                delivery.place,
                delivery.attempts,
                disposition.reason,
                delivery.message.key,
                delivery.failures[-1].outcome,
            )
            return
        place, headers = placed_by(delivery.message), trace_headers(delivery.message.headers)
        letter = self._whole_letter(delivery)
        if letter is not None:
            try:
                await self._writer.send(self._topic, letter, headers=headers, placed_by=place)
            except RecordTooLarge:
                letter = None
        if letter is None:
            await self._writer.send(self._topic, self._letter(delivery, whole=False), headers=headers, placed_by=place)
            logger.warning(
                "%s is too large for a dead letter in %s, which says only where it is", delivery.place, self._topic
            )
        self._meter.dead_lettered(disposition.reason)
        self._failure_log.dead_lettered(delivery)
        logger.debug("%s is in %s now (%s)", delivery.place, self._topic, disposition.reason)

    def _target_of(self, delivery: Delivery) -> TargetName:
        return self._target if delivery.target_id is None else replace(self._target, id=delivery.target_id)

    def _whole_letter(self, delivery: Delivery) -> bytes | None:
        """Return the letter with all of the record; None when it is larger than the writer takes."""
        if self._largest is None:
            return self._letter(delivery)
        room = self._largest - RECORD_OVERHEAD
        if len(delivery.message.value or b"") > room // 4 * 3:
            return None  # its base64 alone is larger: not made at all
        letter = self._letter(delivery)
        return letter if len(letter) <= room else None

    def _letter(self, delivery: Delivery, *, whole: bool = True) -> bytes:
        return dead_letter(
            delivery.message,
            delivery.failures,
            self._form,
            attempts=delivery.attempts,
            now=self._now(),
            target=self._target_of(delivery),
            whole=whole,
        )


def placed_by(message: Message) -> bytes:
    """Return the bytes that choose a letter's partition: the record's key, so that those of one key stay in order,
    else the record's topic and partition. The letter itself has no key, as in the original.
    """
    return f"{message.topic}/{message.partition}".encode() if message.key is None else message.key
