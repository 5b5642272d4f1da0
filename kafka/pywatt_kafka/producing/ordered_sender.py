"""Keeps records in the order of the calls while some are serialized and a burst takes several turns of the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Mapping
from functools import partial
from typing import Any, TypeAlias

from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.producing.burst_queue import BurstQueue
from pywatt_kafka.producing.engine_writer import EngineWriter
from pywatt_kafka.producing.outcomes import Outcomes
from pywatt_kafka.producing.record_maker import RecordMaker
from pywatt_kafka.producing.waiting_records import WaitingRecord
from pywatt_kafka.records import OutgoingRecord, RecordPosition

TURN = 500  # of several records, before the event loop gets a turn

Outcome: TypeAlias = "asyncio.Future[RecordPosition | KafkaError]"
Send: TypeAlias = tuple[Any, ...]
"""The arguments of `RecordMaker.make`, and the future or callback for the outcome."""


class OrderedSender:
    """Makes records and gives them to the writer in the order of the calls."""

    def __init__(self, maker: RecordMaker, writer: EngineWriter) -> None:
        self._maker = maker
        self._writer = writer
        self.burst: BurstQueue[Send] = BurstQueue(self._write_in_turn)

    async def reserve(self, topic: str, made: Awaitable[OutgoingRecord], done: Acknowledge) -> WaitingRecord:
        """Hold the place of a record in its topic's queue until it is serialized. Raises SerializationFailed."""
        place = self._writer.reserve(topic, done)
        await self._fill(place, made)
        return place

    async def send_all(self, messages: Iterable[Mapping[str, Any]]) -> list[RecordPosition | KafkaError]:
        """Write several records; return the outcomes of all."""
        if self.burst.waiting:
            await self.burst.reached()
        outcomes = Outcomes()
        places: list[WaitingRecord] = []
        serializing: list[Awaitable[None]] = []
        for number, message in enumerate(messages, 1):
            done = outcomes.add()
            try:
                made = self._maker.make_from(message)
            except KafkaError as error:
                done(error)
                continue
            if not isinstance(made, OutgoingRecord):
                place = self._writer.reserve(message["topic"], done)
                serializing.append(self._fill_or_report(place, made))
                places.append(place)
            elif (waiting := self._writer.write(made, done)) is not None:
                places.append(waiting)
            if number % TURN == 0 and not serializing:
                await asyncio.sleep(0)
        try:
            await asyncio.gather(*serializing)
            return await outcomes.all()
        except asyncio.CancelledError:
            for place in places:
                self._writer.waiting.discard(place)
            raise

    async def flush(self) -> None:
        """Wait until all records so far have an outcome."""
        if self.burst.waiting:
            await self.burst.reached()
        await self._writer.flush()

    async def finish(self) -> None:
        """Give the records so far a limited time to be handed over: the producer is being closed."""
        if self.burst.waiting:
            await self.burst.reached()
        await self._writer.finish()

    def end(self) -> None:
        """Fail what has not had its turn."""
        for send in self.burst.close():
            _callback(send[-1])(KafkaUnavailable("the producer was closed before it wrote the record"))
        self._writer.waiting.close()

    def _write_in_turn(self, send: Send) -> None:
        *arguments, target = send
        if isinstance(target, asyncio.Future) and target.done():  # its caller was cancelled
            return
        done = _callback(target)
        try:
            made = self._maker.make(*arguments)
        except KafkaError as error:
            done(error)
            return
        if isinstance(made, OutgoingRecord):
            self._writer.write(made, done)
        else:
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


def _callback(target: Outcome | Acknowledge) -> Acknowledge:
    return partial(_resolve, target) if isinstance(target, asyncio.Future) else target


def _resolve(outcome: Outcome, result: RecordPosition | KafkaError) -> None:
    if not outcome.done():
        outcome.set_result(result)
