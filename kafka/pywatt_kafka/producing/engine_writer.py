"""Writes records to the engine of a producer, or to the queue of their topic while the engine cannot take them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import anyio

from pywatt_kafka.aiokafka.errors import translate
from pywatt_kafka.connection.cluster_connection import ClusterConnection
from pywatt_kafka.connection.status import ConnectionStatus
from pywatt_kafka.engine.protocols import Acknowledge, Append, ProducerEngine
from pywatt_kafka.engine.settings import FLUSH_LIMIT, EngineName, ProducerSettings
from pywatt_kafka.errors import InvalidRecord, KafkaError, KafkaUnavailable, NotAcknowledged
from pywatt_kafka.libraries import producer_factory
from pywatt_kafka.producing.outcomes import AwaitedOutcome
from pywatt_kafka.producing.waiting_records import WaitingRecord, WaitingRecords
from pywatt_kafka.records import OutgoingRecord
from pywatt_kafka.security.options import Security

MAY_BE_WRITTEN = "the record may be written all the same"
FLUSH_MARGIN = 1.0  # seconds, in which the records that have waited for too long are found


class EngineWriter:
    """Writes records through one connection; every outcome is a KafkaError or a position."""

    def __init__(
        self,
        engine: EngineName,
        brokers: tuple[str, ...],
        settings: ProducerSettings,
        security: Security,
        on_status: Callable[[ConnectionStatus], None] | None,
    ) -> None:
        self._request_timeout = settings.request_timeout
        settings = replace(settings, failure=lambda topic, error: self.failure(topic, error, sent=True))
        self.connection: ClusterConnection[ProducerEngine] = ClusterConnection(
            producer_factory(engine, brokers, settings, security),
            name=f"producer {settings.client_id} of {','.join(brokers)}",
            # by then every send of the old client has timed out
            replace_after=settings.request_timeout,
            on_status=on_status,
        )
        self.waiting = WaitingRecords(self.connection, settings.request_timeout, failure=self.failure)
        self._topics: Mapping[str, Any] = self.waiting.topics

    def write(self, record: OutgoingRecord, done: Acknowledge) -> WaitingRecord | None:
        """Write a record; return its place in the queue of its topic if it has to wait there.

        `done` is called once with the outcome, perhaps before this returns.
        """
        engine = self.connection.connected_engine
        if engine is not None and record[0] not in self._topics:
            try:
                if engine.append(record, done):
                    return None
            except Exception as error:  # noqa: BLE001  it is this record's alone
                done(self.failure(record[0], error, sent=False))
                return None
        return self.waiting.add(record[0], record, done)

    def write_all(self, appends: Sequence[Append]) -> list[WaitingRecord]:
        """Write records in their order; return the places of those that have to wait in the queues of their topics."""
        places: list[WaitingRecord] = []
        while appends:
            engine = self.connection.connected_engine
            if engine is None or self._topics:
                return places + self._write_each(appends)
            taken = engine.append_all(appends)
            if taken == len(appends):
                break
            places += self._write_each(appends[taken : taken + 1])
            appends = appends[taken + 1 :]
        return places

    def _write_each(self, appends: Sequence[Append]) -> list[WaitingRecord]:
        places: list[WaitingRecord] = []
        for record, done in appends:
            place = self.write(record, done)
            if place is not None:
                places.append(place)
                if isinstance(done, AwaitedOutcome):
                    done.place = place
        return places

    def collect(self) -> None:
        """Learn which records were acknowledged meanwhile, in a turn of the event loop with many of them."""
        if (engine := self.connection.connected_engine) is not None:
            engine.collect()

    def reserve(self, topic: str, done: Acknowledge) -> WaitingRecord:
        """Hold the place of a record that is not serialized yet in the queue of its topic."""
        return self.waiting.add(topic, None, done)

    async def flush(self) -> None:
        """Wait until all records that were written so far have an outcome."""
        await self.waiting.drained()
        engine = self.connection.engine
        if engine is None:
            return
        try:
            async with asyncio.timeout(self._request_timeout + FLUSH_MARGIN):
                await engine.flush()
        except TimeoutError:
            return  # every record has its outcome by now, even if the engine still tries to write it

    async def finish(self) -> None:
        """Give the records that wait for their turn a limited time to get it: the producer is being closed."""
        if self.connection.connected_engine is not None:
            with anyio.move_on_after(FLUSH_LIMIT):
                await self.waiting.drained()

    def failure(self, topic: str, error: BaseException, *, sent: bool) -> KafkaError:
        """Return the KafkaError for a record that failed; `sent`: it may be in flight."""
        if isinstance(error, TimeoutError):
            reason = f"writing to topic {topic}: no acknowledgement within {self._request_timeout:g} s"
            engine = self.connection.engine
            if engine is not None and (retry_reason := engine.retry_reason(topic)):
                reason += f" ({retry_reason})"
        else:
            translated = _translate(topic, error)
            if not isinstance(translated, KafkaUnavailable):
                if translated is not error:
                    translated.__cause__ = error
                return translated
            reason = translated.message
        self.connection.check_soon()
        away = self.connection.status.reason
        reason = f"writing to topic {topic}: {away}" if away else reason
        failure = NotAcknowledged(f"{reason}; {MAY_BE_WRITTEN}") if sent else KafkaUnavailable(reason)
        failure.__cause__ = error
        return failure


def _translate(topic: str, error: BaseException) -> KafkaError:
    during = f"writing to topic {topic}"
    if isinstance(error, TypeError | ValueError | OverflowError):  # what the library says of a field's type or range
        return InvalidRecord(f"{during}: {error}")
    translated = translate(error, during=during)
    if translated is error and translated.__traceback__ is not None:
        # one for each record that meets it: an exception that is raised in several places mixes their tracebacks
        copied = type(translated)(translated.message, hint=translated.hint, code=translated.code)
        copied.__cause__ = translated
        return copied
    return translated
