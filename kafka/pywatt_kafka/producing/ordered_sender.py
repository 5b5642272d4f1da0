"""Keeps records in the order of the calls while some are serialized and a burst takes several turns of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias

from pywatt_kafka.engine.protocols import Acknowledge, Append
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.producing.burst_queue import BurstQueue
from pywatt_kafka.producing.engine_writer import EngineWriter
from pywatt_kafka.producing.outcomes import AwaitedOutcome, Outcomes
from pywatt_kafka.producing.record_maker import RecordMaker
from pywatt_kafka.producing.turn_buffer import TurnBuffer
from pywatt_kafka.producing.waiting_records import WaitingRecord
from pywatt_kafka.records import OutgoingRecord, RecordPosition

TURN = 500  # of several records, before the event loop gets a turn

Send: TypeAlias = tuple[Any, ...]
"""The arguments of `RecordMaker.make`, and the callback for the outcome."""


class OrderedSender:
    """Makes records and gives them to the writer in the order of the calls."""

    def __init__(self, maker: RecordMaker, writer: EngineWriter) -> None:
        self._maker = maker
        self._writer = writer
        self._topics = writer.waiting.topics
        self.buffer = TurnBuffer(writer.write_all)
        """Its records are written before those of `burst`."""
        self.burst: BurstQueue[Send] = BurstQueue(self._write_in_turn)

    def write(self, record: OutgoingRecord, done: Acknowledge) -> WaitingRecord | None:
        """Write a record after those of the buffer; return its place if it has to wait in the queue of its topic."""
        self.buffer.write()
        return self._writer.write(record, done)

    def write_bytes(self, topic: str, value: bytes | None, key: bytes | None, done: Acknowledge | None) -> bool:
        """Give a record of a key and a value alone to the engine at once, if it is in a turn with many records.

        Return False if it has to be written as the others. `done` None: an error goes to `lost` of the settings.
        """
        if not self.buffer.is_full:
            return False
        self.buffer.write()
        engine = self._writer.connection.connected_engine
        return engine is not None and not self._topics and engine.append_bytes(topic, value, key, done)

    async def reserve(self, topic: str, made: Awaitable[OutgoingRecord], done: Acknowledge) -> WaitingRecord:
        """Hold the place of a record in its topic's queue until it is serialized. Raises SerializationFailed."""
        self.buffer.write()
        place = self._writer.reserve(topic, done)
        await self._fill(place, made)
        return place

    async def send_all(self, messages: Iterable[Mapping[str, Any]]) -> list[RecordPosition | KafkaError]:
        """Write several records; return the outcomes of all."""
        if self.burst.waiting:
            await self.burst.reached()
        outcomes = Outcomes()
        make, settle = self._maker.make_from, outcomes.settle
        appends: list[Append] = []
        places: list[WaitingRecord] = []
        serializing: list[Awaitable[None]] = []
        count = 0
        for message in messages:
            done = partial(settle, count)
            count += 1
            try:
                made = make(message)
            except KafkaError as error:
                done(error)
                continue
            if isinstance(made, OutgoingRecord):
                appends.append((made, done))
            else:
                places += self._write_all(appends)
                appends = []
                places.append(place := self._writer.reserve(message["topic"], done))
                serializing.append(self._fill_or_report(place, made))
            if not count % TURN:
                places += self._write_all(appends)
                appends = []
                if not serializing:
                    await asyncio.sleep(0)
        places += self._write_all(appends)
        try:
            await asyncio.gather(*serializing)
            return await outcomes.all(count)
        except asyncio.CancelledError:
            for place in places:
                self._writer.waiting.discard(place)
            raise

    async def flush(self) -> None:
        """Wait until all records so far have an outcome."""
        await self._reached()
        await self._writer.flush()

    async def finish(self) -> None:
        """Give the records so far a limited time to be handed over: the producer is being closed."""
        await self._reached()
        await self._writer.finish()

    def end(self) -> None:
        """Fail what has not had its turn."""
        for send in (*self.buffer.take(), *self.burst.close()):
            send[-1](KafkaUnavailable("the producer was closed before it wrote the record"))
        self._writer.waiting.close()

    def _write_all(self, appends: list[Append]) -> list[WaitingRecord]:
        self.buffer.write()
        return self._writer.write_all(appends)

    async def _reached(self) -> None:
        if self.burst.waiting:
            await self.burst.reached()
        self.buffer.write()

    def _write_in_turn(self, send: Send) -> None:
        *arguments, done = send
        if isinstance(done, AwaitedOutcome) and done.is_cancelled:
            return
        try:
            made = self._maker.make(*arguments)
        except KafkaError as error:
            done(error)
            return
        if isinstance(made, OutgoingRecord):
            self.buffer.add(made, done)
        else:
            self.buffer.write()
            place = self._writer.reserve(arguments[0], done)
            self._writer.connection.start_soon(self._fill_or_report, place, made)

    async def _fill(self, place: WaitingRecord, made: Awaitable[OutgoingRecord]) -> None:
        waiting = self._writer.waiting
        try:
            record = await made
        except BaseException:
            waiting.discard(place)
            raise
        waiting.fill(place, record)

    async def _fill_or_report(self, place: WaitingRecord, made: Awaitable[OutgoingRecord]) -> None:
        try:
            await self._fill(place, made)
        except KafkaError as error:
            place.done(error)
