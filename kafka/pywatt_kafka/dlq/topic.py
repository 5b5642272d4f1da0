"""One dead-letter topic, with all its partitions: lists, redrives and deletes its letters."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from time import time
from typing import Any

import anyio

from pywatt_kafka.aiokafka.client import bootstrap_errors, client_settings, require_aiokafka
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.records import message_from
from pywatt_kafka.aiokafka.sockets import Sockets, close_consumer, complete_shielded
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.dlq.codec import decode
from pywatt_kafka.dlq.dead_letter import DeadLetter, Filter, NotADeadLetter
from pywatt_kafka.dlq.redrive import Outcome, Progress, Redrive
from pywatt_kafka.dlq.redrive_order import Entry, in_origin_order
from pywatt_kafka.dlq.redriven_offsets import RedrivenOffsets
from pywatt_kafka.errors import UnknownTopic
from pywatt_kafka.records import Message
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

GROUP_PREFIX = "pywatt-redrive-"
"""Prefix of the group whose commits store the redriven letters. It never has members."""
POLL = 1.0  # seconds
QUIET_POLLS = 5  # polls without a record, after which a partition counts as read: its end may be a control record
CHUNK = 100  # letters that are read at once
NEAR = 1000  # largest distance of two letters that is read through instead of a seek
KEPT_BYTES = 32 * 1024 * 1024  # of records that are kept in memory from listing until sending


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """A letter of the topic, with its redrive state."""

    letter: DeadLetter
    redriven: bool


class DeadLetterTopic:
    """A dead-letter topic; made by `open_dead_letter_topic`."""

    def __init__(
        self, consumer: Any, brokers: Sequence[str], topic: str, places: Sequence[Any], security: Security | None = None
    ) -> None:
        self._consumer = consumer
        self._brokers = brokers
        self._security = security
        self._topic = topic
        self._places = places
        self._redriven: dict[int, RedrivenOffsets] = {}
        self.unreadable = 0
        """Number of records that the last listing skipped because they are not dead letters."""

    async def load(self) -> None:
        """Load the offsets of redriven letters."""
        with translated(f"reading what was redriven of {self._topic}"):
            found = await self._consumer._coordinator.fetch_committed_offsets(list(self._places))
        self._redriven = {
            place.partition: RedrivenOffsets.parse(found[place].offset, found[place].metadata)
            if place in found and found[place].offset >= 0
            else RedrivenOffsets()
            for place in self._places
        }

    async def bounds(self) -> Mapping[int, tuple[int, int]]:
        """Return the offset of the first letter and the offset after the last, by partition."""
        with translated(f"finding the letters of {self._topic}"):
            starts = await self._consumer.beginning_offsets(list(self._places))
            ends = await self._consumer.end_offsets(list(self._places))
        return {place.partition: (starts[place], ends[place]) for place in self._places}

    async def letters(
        self,
        chosen: Filter,
        *,
        within: Mapping[int, tuple[int, int]] | None = None,
        now: Callable[[], float] = time,
    ) -> AsyncGenerator[FoundLetter]:
        """Yield the selected letters that exist now, in the order of each partition.

        `within`: only those from one offset to below another, by partition.
        """
        self.unreadable = 0
        bounds = await self.bounds() if within is None else within
        async with aclosing(self._messages(_bounds_of_letter(bounds, chosen.place))) as messages:
            async for message in messages:
                try:
                    letter = decode(message)
                except NotADeadLetter:
                    self.unreadable += 1
                    continue
                if chosen.accepts(letter, now()):
                    yield FoundLetter(letter, message.offset in self._redriven[message.partition])

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

        They are sent in the order of their origin, regardless of the letters' partitions. The record of a letter that
        lacks it, as it was too large, is read from its origin. Only the target of the letter delivers the record again.

        `to`: another topic. `again`: include letters that were redriven before. `rate`: limit of records per second.
        Acknowledged letters are recorded as redriven, even if this is cancelled.
        """
        outcome = Outcome()
        entries: list[Entry] = []
        kept: dict[tuple[int, int], DeadLetter] = {}
        size = 0
        async with aclosing(self.letters(chosen, now=now)) as all_found:
            async for found in all_found:
                letter = found.letter
                if found.redriven and not again:
                    outcome.already_redriven += 1
                    continue
                entries.append(
                    Entry(letter.since, letter.place, letter.topic, letter.origin_partition, letter.origin_offset)
                )
                size += len(letter.value or b"")
                if size <= KEPT_BYTES:
                    kept[letter.place] = letter
        outcome.unreadable = self.unreadable
        ordered = in_origin_order(entries)
        if dry_run:
            async with aclosing(self._in_order(ordered, kept)) as letters:
                async for letter in letters:
                    outcome.redriven += 1
                    progress(letter, "would be sent back")
            return outcome
        try:
            async with (
                Redrive(
                    self._brokers, self._security, outcome, to=to, rate=rate, progress=progress, sent=self._record_sent
                ) as redrive,
                aclosing(self._in_order(ordered, kept)) as letters,
            ):
                async for letter in letters:
                    await redrive.add(letter)
                await redrive.flush()
        finally:
            if outcome.redriven:
                with anyio.CancelScope(shield=True), anyio.move_on_after(POLL * QUIET_POLLS):
                    outcome.committed = await self._commit_redriven()
        return outcome

    async def count(self, until: Mapping[int, int]) -> int:
        """Return the number of offsets below these, over all partitions."""
        bounds = await self.bounds()
        return sum(max(0, offset - bounds[number][0]) for number, offset in until.items())

    async def purge(self, until: Mapping[int, int]) -> int:
        """Delete the letters below these offsets, by partition; return the number of deleted offsets."""
        from aiokafka import TopicPartition as Native
        from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

        bounds = await self.bounds()
        due = {number: offset for number, offset in until.items() if offset > bounds[number][0]}
        if not due:
            return 0
        admin: Any = AIOKafkaAdminClient(**client_settings(self._brokers, security_from(self._security, os.environ)))
        sockets = Sockets(admin._client)
        try:
            with bootstrap_errors(tuple(self._brokers)):
                await sockets.open(admin.start())
            with translated(f"deleting letters of {self._topic}"):
                await admin.delete_records(
                    {
                        Native(self._topic, number): RecordsToDelete(before_offset=offset)
                        for number, offset in due.items()
                    }
                )
        finally:
            await complete_shielded(sockets.close())
        return sum(offset - bounds[number][0] for number, offset in due.items())

    async def purgeable(self, *, redriven: bool = False, older_than: float | None = None) -> Mapping[int, int]:
        """Return the offset below which the letters of each partition can be deleted: Kafka deletes only the oldest.

        `redriven`: as far as all were redriven. `older_than`: as far as all are older than this many seconds.
        """
        bounds = await self.bounds()
        until = {number: end for number, (_, end) in bounds.items()}
        if redriven:
            until = {number: min(end, self._redriven[number].position) for number, end in until.items()}
        if older_than is not None:
            moment = max(0, int((time() - older_than) * 1000))
            with translated(f"finding the letters of {self._topic}"):
                found = await self._consumer.offsets_for_times(dict.fromkeys(self._places, moment))
            for place, first_younger in found.items():
                if first_younger is not None:
                    until[place.partition] = min(until[place.partition], first_younger.offset)
        return until

    def _record_sent(self, letter: DeadLetter) -> None:
        """Record a letter as redriven."""
        self._redriven[letter.partition].add(letter.offset)

    async def _in_order(
        self, entries: Sequence[Entry], kept: Mapping[tuple[int, int], DeadLetter]
    ) -> AsyncGenerator[DeadLetter]:
        """Yield letters in the order of `entries`; those not in `kept` are read again, in chunks."""
        for begin in range(0, len(entries), CHUNK):
            places = [entry.place for entry in entries[begin : begin + CHUNK]]
            missing = await self._read_at([place for place in places if place not in kept])
            for place in places:
                if place in kept:
                    yield kept[place]
                elif place in missing:  # else it was deleted meanwhile
                    yield missing[place]

    async def _read_at(self, places: Sequence[tuple[int, int]]) -> dict[tuple[int, int], DeadLetter]:
        """Read single letters; reads on, without a seek, to one that is near."""
        found: dict[tuple[int, int], DeadLetter] = {}
        for native in self._places:
            wanted = sorted(offset for partition, offset in places if partition == native.partition)
            quiet = 0
            while wanted and quiet < QUIET_POLLS:
                position = await self._consumer.position(native)
                if not position <= wanted[0] <= position + NEAR:
                    position = wanted[0]
                    self._consumer.seek(native, position)
                with translated(f"reading {self._topic}"):
                    batches = await self._consumer.getmany(
                        native, timeout_ms=int(POLL * 1000), max_records=min(NEAR, wanted[-1] - position + 1)
                    )
                records = batches.get(native, ())
                quiet = 0 if records else quiet + 1
                for record in records:
                    if record.offset in wanted:
                        found[native.partition, record.offset] = decode(message_from(record))
                if records:
                    wanted = [offset for offset in wanted if offset > records[-1].offset]
        return found

    async def _commit_redriven(self) -> bool:
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
        """Yield the records of all partitions up to their current ends."""
        open_ = {place: bounds[place.partition][1] for place in self._places if place.partition in bounds}
        for place in open_:
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


def _bounds_of_letter(
    bounds: Mapping[int, tuple[int, int]], place: tuple[int, int] | None
) -> Mapping[int, tuple[int, int]]:
    """Return the offsets to read for one letter, or for all."""
    if place is None:
        return bounds
    partition, offset = place
    start, end = bounds.get(partition, (0, 0))
    return {partition: (offset, offset + 1)} if start <= offset < end else {}


@asynccontextmanager
async def open_dead_letter_topic(
    bootstrap_brokers: str | Sequence[str] | None, topic: str, *, security: Security | None = None
) -> AsyncIterator[DeadLetterTopic]:
    """Open a dead-letter topic. `security`: as for Producer.

    Raises KafkaUnavailable, UnknownTopic or another KafkaError.
    """
    require_aiokafka()
    from aiokafka import AIOKafkaConsumer
    from aiokafka import TopicPartition as Native

    addresses = brokers_from(bootstrap_brokers, os.environ)
    consumer: Any = AIOKafkaConsumer(
        group_id=GROUP_PREFIX + topic,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        **client_settings(addresses, security_from(security, os.environ)),
    )
    sockets = Sockets(consumer._client)
    try:
        with bootstrap_errors(addresses):
            await sockets.open(consumer.start())
        with translated("reading the list of topics"):
            if topic not in await consumer.topics():
                raise UnknownTopic(f"there is no topic {topic}", hint="`pywatt kafka topics` lists them")
            await consumer._client.set_topics([topic])
        places = [Native(topic, number) for number in sorted(consumer.partitions_for_topic(topic) or ())]
        consumer.assign(places)
        dead_letters = DeadLetterTopic(consumer, addresses, topic, places, security)
        await dead_letters.load()
        yield dead_letters
    finally:
        await complete_shielded(close_consumer(consumer, sockets))
