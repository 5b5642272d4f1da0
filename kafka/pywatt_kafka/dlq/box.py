"""One dead-letter topic: look through it, send records back, delete letters. Works on all of its partitions."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import monotonic, time
from typing import Any

import anyio

from pywatt_kafka.addresses import brokers_from
from pywatt_kafka.dlq.letter import DeadLetter, Filter, NoLetterError, letter_of
from pywatt_kafka.dlq.redriven import Redriven
from pywatt_kafka.engine import message_from, opening, require_aiokafka, translated
from pywatt_kafka.errors import KafkaError, UnknownTopic
from pywatt_kafka.producer import Producer
from pywatt_kafka.records import Message
from pywatt_kafka.security import Security, security_from
from pywatt_kafka.sockets import Sockets, close_consumer, to_the_end

GROUP_PREFIX = "pywatt-redrive-"
"""Of the group in whose name the brokers keep which letters were sent back. It never has members."""
POLL = 1.0  # seconds
QUIET_POLLS = 5  # without a record, after which a partition counts as read: its end may be a control record
CHUNK = 100  # letters sent back at once

Progress = Callable[[DeadLetter, str], None]
"""Hears of each letter that is meant, and what became of it."""


@dataclass(slots=True)
class Outcome:
    """What came of sending letters back."""

    redriven: int = 0
    failed: int = 0
    """Still to be sent back."""
    before: int = 0
    """Sent back earlier, and left alone."""
    strange: int = 0
    """Records in the topic that are no dead letters."""
    remembered: bool = True
    """False when the brokers cannot keep the list of letters that were sent back: it has too many gaps."""

    def as_document(self) -> dict[str, int | bool]:
        """Return it as JSON has it."""
        return {
            "redriven": self.redriven,
            "failed": self.failed,
            "redrivenBefore": self.before,
            "noLetters": self.strange,
            "remembered": self.remembered,
        }


@dataclass(frozen=True, slots=True)
class Found:
    """One letter, and whether its record was sent back before."""

    letter: DeadLetter
    redriven: bool


class LetterBox:
    """A dead-letter topic; made by `open_box`."""

    def __init__(
        self, consumer: Any, brokers: Sequence[str], topic: str, places: Sequence[Any], security: Security | None = None
    ) -> None:
        self._consumer = consumer
        self._brokers = brokers
        self._security = security
        self._topic = topic
        self._places = places
        self._redriven: dict[int, Redriven] = {}
        self.strange = 0
        """Records that the last look came across which are no dead letters."""

    async def load(self) -> None:
        """Read which letters were sent back before."""
        with translated(f"reading what was redriven of {self._topic}"):
            found = await self._consumer._coordinator.fetch_committed_offsets(list(self._places))
        self._redriven = {
            place.partition: Redriven.parse(found[place].offset, found[place].metadata)
            if place in found and found[place].offset >= 0
            else Redriven()
            for place in self._places
        }

    async def bounds(self) -> Mapping[int, tuple[int, int]]:
        """Return, per partition, the offset of the first letter and that after the last."""
        with translated(f"finding the letters of {self._topic}"):
            starts = await self._consumer.beginning_offsets(list(self._places))
            ends = await self._consumer.end_offsets(list(self._places))
        return {place.partition: (starts[place], ends[place]) for place in self._places}

    async def letters(self, chosen: Filter, *, now: Callable[[], float] = time) -> AsyncGenerator[Found]:
        """Yield the letters that are there now and are meant, in the order of each partition."""
        self.strange = 0
        async with aclosing(self._messages(await self.bounds())) as messages:
            async for message in messages:
                try:
                    letter = letter_of(message)
                except NoLetterError:
                    self.strange += 1
                    continue
                if chosen.accepts(letter, now()):
                    yield Found(letter, message.offset in self._redriven[message.partition])

    async def redrive(
        self,
        chosen: Filter,
        *,
        to: str | None = None,
        again: bool = False,
        dry_run: bool = False,
        rate: float | None = None,
        progress: Progress = lambda *_: None,
        now: Callable[[], float] = time,
    ) -> Outcome:
        """Write the records of letters back to the topics they come from, with key, headers and value.

        `to`: another topic. `again`: those too that were sent back before. `rate`: records per second at most. What was
        acknowledged is remembered, also when this is broken off.
        """
        outcome = Outcome()
        waiting: list[DeadLetter] = []
        size = CHUNK if rate is None else max(1, min(CHUNK, int(rate / 10)))
        async with (
            Producer(list(self._brokers), security=self._security) as producer,
            aclosing(self.letters(chosen, now=now)) as letters,
        ):
            try:
                async for found in letters:
                    if found.redriven and not again:
                        outcome.before += 1
                    elif dry_run:
                        outcome.redriven += 1
                        progress(found.letter, "would be sent back")
                    else:
                        waiting.append(found.letter)
                    if len(waiting) == size:
                        await self._send(producer, waiting, to, rate, outcome, progress)
                await self._send(producer, waiting, to, rate, outcome, progress)
            finally:
                outcome.strange = self.strange
                if outcome.redriven and not dry_run:
                    with anyio.CancelScope(shield=True), anyio.move_on_after(POLL * QUIET_POLLS):
                        outcome.remembered = await self._remember()
        return outcome

    async def count(self, until: Mapping[int, int]) -> int:
        """Return how many places there are below these offsets, by partition."""
        bounds = await self.bounds()
        return sum(max(0, offset - bounds[number][0]) for number, offset in until.items())

    async def purge(self, until: Mapping[int, int]) -> int:
        """Delete the letters below these offsets, by partition; return how many places that frees."""
        from aiokafka import TopicPartition as Native
        from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

        bounds = await self.bounds()
        due = {number: offset for number, offset in until.items() if offset > bounds[number][0]}
        if not due:
            return 0
        admin: Any = AIOKafkaAdminClient(
            bootstrap_servers=",".join(self._brokers), **security_from(self._security, os.environ).settings()
        )
        sockets = Sockets(admin._client)
        try:
            with opening(tuple(self._brokers)):
                await sockets.open(admin.start())
            with translated(f"deleting letters of {self._topic}"):
                await admin.delete_records(
                    {
                        Native(self._topic, number): RecordsToDelete(before_offset=offset)
                        for number, offset in due.items()
                    }
                )
        finally:
            await to_the_end(sockets.close())
        return sum(offset - bounds[number][0] for number, offset in due.items())

    async def purgeable(self, *, redriven: bool = False, older_than: float | None = None) -> Mapping[int, int]:
        """Return up to which offset the letters of each partition may go: Kafka deletes only from the oldest on.

        `redriven`: as far as all were sent back. `older_than`: as far as all were written before so many seconds.
        """
        bounds = await self.bounds()
        until = {number: end for number, (_, end) in bounds.items()}
        if redriven:
            until = {number: min(end, self._redriven[number].position) for number, end in until.items()}
        if older_than is not None:
            moment = int((time() - older_than) * 1000)
            with translated(f"finding the letters of {self._topic}"):
                found = await self._consumer.offsets_for_times(dict.fromkeys(self._places, moment))
            for place, first_younger in found.items():
                if first_younger is not None:
                    until[place.partition] = min(until[place.partition], first_younger.offset)
        return until

    async def _send(
        self,
        producer: Producer,
        letters: list[DeadLetter],
        to: str | None,
        rate: float | None,
        outcome: Outcome,
        progress: Progress,
    ) -> None:
        """Send some letters back, all at once, and take them out of the list."""
        begun = monotonic()
        count = len(letters)
        results = await asyncio.gather(*(self._send_one(producer, letter, to) for letter in letters))
        for letter, problem in zip(letters, results, strict=True):
            if problem is None:
                outcome.redriven += 1
                self._redriven[letter.partition].add(letter.offset)
                progress(letter, f"sent back to {to or letter.topic}")
            else:
                outcome.failed += 1
                progress(letter, f"NOT sent back: {problem}")
        letters.clear()
        if rate is not None and count:
            await anyio.sleep(max(0.0, count / rate - (monotonic() - begun)))

    async def _send_one(self, producer: Producer, letter: DeadLetter, to: str | None) -> str | None:
        """Send one letter back; return what went wrong."""
        key, value, headers = letter.key, letter.value, letter.headers
        if letter.omitted:
            return (
                f"the letter lacks the record, which was too large; see {letter.topic}[{letter.origin_partition}]"
                f"@{letter.origin_offset}"
            )
        try:
            await producer.send(to or letter.topic, value, key=key, headers=headers)
        except KafkaError as error:
            return error.message
        return None

    async def _remember(self) -> bool:
        from aiokafka.structs import OffsetAndMetadata

        starts = {number: start for number, (start, _) in (await self.bounds()).items()}
        for number, redriven in self._redriven.items():
            if starts[number] > redriven.position:
                redriven.add(redriven.position, starts[number] - 1)
        offsets = {
            place: OffsetAndMetadata(self._redriven[place.partition].position, self._redriven[place.partition].note)
            for place in self._places
            if self._redriven[place.partition].fits
        }
        with translated(f"remembering what was redriven of {self._topic}"):
            await self._consumer.commit(offsets)
        return len(offsets) == len(self._places)

    async def _messages(self, bounds: Mapping[int, tuple[int, int]]) -> AsyncGenerator[Message]:
        """Yield the records of all partitions up to their present ends."""
        open_ = {place: bounds[place.partition][1] for place in self._places}
        for place in self._places:
            self._consumer.seek(place, bounds[place.partition][0])
        quiet = 0
        while open_ := {place: end for place, end in open_.items() if await self._consumer.position(place) < end}:
            with translated(f"reading {self._topic}"):
                batches = await self._consumer.getmany(*open_, timeout_ms=int(POLL * 1000))
            quiet = 0 if batches else quiet + 1
            if quiet == QUIET_POLLS:
                return
            for place, records in batches.items():
                for record in records:
                    if record.offset < open_[place]:
                        yield message_from(record)


@asynccontextmanager
async def open_box(
    brokers: str | Sequence[str] | None, topic: str, *, security: Security | None = None
) -> AsyncIterator[LetterBox]:
    """Open a dead-letter topic. `security`: as for Producer.

    Raises KafkaUnavailable, UnknownTopic or another KafkaError.
    """
    require_aiokafka()
    from aiokafka import AIOKafkaConsumer
    from aiokafka import TopicPartition as Native

    addresses = brokers_from(brokers, os.environ)
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=",".join(addresses),
        group_id=GROUP_PREFIX + topic,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **security_from(security, os.environ).settings(),
    )
    sockets = Sockets(consumer._client)
    try:
        with opening(addresses):
            await sockets.open(consumer.start())
        with translated("reading the list of topics"):
            if topic not in await consumer.topics():
                raise UnknownTopic(f"there is no topic {topic}", hint="`pywatt kafka topics` lists them")
            await consumer._client.set_topics([topic])
        places = [Native(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(places)
        box = LetterBox(consumer, addresses, topic, places, security)
        await box.load()
        yield box
    finally:
        await to_the_end(close_consumer(consumer, sockets))
