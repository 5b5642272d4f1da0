"""Reads from one confluent-kafka Consumer; its methods are called in the poller's thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pywatt_kafka.engine.membership import Membership
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.rdkafka import watermarks
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.errors import translate, translated
from pywatt_kafka.rdkafka.native_messages import NativeMessages
from pywatt_kafka.rdkafka.reading.commits import Commits
from pywatt_kafka.rdkafka.reading.reached_ends import EndReached, Polled, ReachedEnds
from pywatt_kafka.rdkafka.reading.resets import find_reset, is_reset
from pywatt_kafka.rdkafka.records import by_partition, faulty, native, weight_of
from pywatt_kafka.records import TopicPartition

logger = logging.getLogger("pywatt_kafka")

ENDS_INTERVAL = 1.0  # seconds between updates of the ends of partitions
FEW_RECORDS = 50
END_OF_PARTITION = -191  # librdkafka's code of the event
UNKNOWN = -1
"""Offset that is not known."""


class _RebalancedError(Exception):
    """Ends the current poll from inside a rebalance callback."""


class NativeReader:
    """Polls, seeks and pauses; what a rebalance throws away with its poll is read again."""

    post: Callable[[Callable[[], object]], None]
    """Calls a function in the event loop."""

    def __init__(
        self, membership: Membership, health: ClientHealth, reached: ReachedEnds, failed: Callable[[KafkaError], None]
    ) -> None:
        """`failed` receives the errors that are not transient."""
        self._membership = membership
        self._group = membership.group
        self._health = health
        self._reached = reached
        self._failed = failed
        self.consumer: Any = None
        self.incremental = False
        """True if a rebalance tells only what changes."""
        self.owned: frozenset[TopicPartition] = frozenset()
        """The assigned partitions; replaced by the event loop."""
        self.paused: set[TopicPartition] = set()
        """Partitions that the user has paused; changed by the event loop."""
        self.held = False
        """True while all are paused, as enough was read ahead."""
        self.commits = Commits()
        self.polled_to: dict[TopicPartition, int] = {}
        """Offset after the last record that a poll returned; at first the start, which may be OFFSET_BEGINNING."""
        self._strays: set[TopicPartition] = set()
        """Partitions that are not read until the event loop seeks, as their position is not in the log."""
        self.metadata: Any = None
        """librdkafka's description of the member and its generation; None while it is in no group."""
        self.ends: Mapping[TopicPartition, int] = {}
        self._ends_at = 0.0
        self._polling = False

    def poll(self, timeout: float, max_records: int) -> tuple[Polled, int] | None:
        """Wait for a record, then take all available ones; called in the poller's thread. Raises KafkaError."""
        if self.consumer is None:
            time.sleep(timeout)
            return None
        with translated(f"reading as a member of {self._group}"):
            records = self._records(timeout, max_records)
        self._refresh_ends()
        if not records:
            return None
        ends: dict[TopicPartition, EndReached] = {}
        if faulty(records):
            for record in records:
                if (error := record.error()) is None:
                    continue
                if error.code() == END_OF_PARTITION:
                    place = TopicPartition(record.topic(), record.partition())
                    ends[place] = self._reached.end_reached(place, record.offset())
                else:
                    self._handle_error(error)
            records = [record for record in records if record.error() is None]
        if not records:
            return Polled({}, ends, self._find_resets({}, ends)), 0
        # As many as wanted fill the limit in any case, and librdkafka's own queue has a limit in bytes.
        weight = 1 if len(records) == max_records > FEW_RECORDS else weight_of(records)
        batches = by_partition(records, self.owned, weight)
        if not batches.keys() <= self.ends.keys():  # first records of a partition: how many follow is known from now on
            self._refresh_ends(at_once=True)
        strays = self._find_resets(batches, ends)
        for place, messages in batches.items():
            self.polled_to[place] = messages[-1].offset + 1
        return Polled(batches, ends, strays), sum(map(len, batches.values())) * weight

    def hold(self, held: bool) -> None:
        """Pause all partitions, or resume those that the user has not paused; called in the poller's thread."""
        self.held = held
        self.set_paused(self.owned if held else self.owned - self.paused - self._strays, held)

    def expecting(self) -> bool:
        """Return whether a poll will tell the result of a commit."""
        return bool(self.commits)

    def _records(self, timeout: float, max_records: int) -> list[Any]:
        self._polling = True
        first: Any = None
        try:
            first = self.consumer.poll(timeout)
            # An event is returned by itself: it is told once, and a rebalance would throw it away.
            if first is None or max_records == 1 or first.error() is not None:
                return [] if first is None else [first]
            # with a timeout it would wait until it has all of them
            records: list[Any] = self.consumer.consume(max_records - 1, 0)
            records.insert(0, first)
            return records
        except _RebalancedError:
            if first is not None:
                self._look_for_a_fatal_error()
            if first is None or not self.incremental:
                return []  # the records of this poll are read again
            self._read_again(first)
            return [first]
        finally:
            self._polling = False

    def _look_for_a_fatal_error(self) -> None:
        """Notice a fatal error among the events that a rebalance has thrown away with its poll."""
        from confluent_kafka import OFFSET_INVALID, KafkaException

        nothing = native(TopicPartition("none", 0), OFFSET_INVALID)
        try:
            self.consumer.commit(
                offsets=[nothing], asynchronous=False
            )  # fails without a request, as there is no offset
        except KafkaException as error:
            if error.args[0].code() == error.args[0]._FATAL:
                # librdkafka no longer says which one it is; that of a static member is to be fenced
                self._health.failed_for_good(fenced=self._membership.instance_id is not None)

    def _read_again(self, first: Any) -> None:
        """Go back to the first record of each partition that a rebalance has thrown away with its poll."""
        from confluent_kafka import OFFSET_STORED

        known = dict(self.polled_to)
        if first.error() is None:
            known[TopicPartition(first.topic(), first.partition())] = first.offset() + 1
        for place in self.owned:
            with translated("going back to the last returned record"):
                if place in known:
                    self.consumer.seek(native(place, known[place]))
                else:  # nothing of it was returned yet
                    self.consumer.incremental_unassign([native(place)])
                    self.consumer.incremental_assign([native(place, OFFSET_STORED)])

    def _find_resets(
        self, batches: dict[TopicPartition, NativeMessages], ends: dict[TopicPartition, EndReached]
    ) -> Mapping[TopicPartition, int]:
        """Return the positions that are not in the log, without what was read after them; stop reading there."""
        found: dict[TopicPartition, int] = {}
        for place in [*ends]:
            known = self.polled_to.get(place, UNKNOWN)
            end = ends[place].offset
            if place in batches:
                was_reset = end < known  # else it was told before the records, or after them
            else:
                was_reset = 0 <= known != end and is_reset(end, known, self._begin(place))
                self.polled_to[place] = end
            if was_reset:
                found[place] = known
        for place, messages in batches.items():
            first, last = messages[0].offset, messages[-1].offset
            known = self.polled_to.get(place, UNKNOWN)
            if first == known and last - first == len(messages) - 1:
                continue
            reset = find_reset([message.offset for message in messages], known, self._begin(place))
            if reset is not None:
                batches[place], found[place] = messages[: reset[0]], reset[1]
        if found or self._strays:
            self._strays |= found.keys()
            for place in self._strays:
                ends.pop(place, None)
            for place in [place for place, messages in batches.items() if place in self._strays]:
                if place not in found or not batches[place]:
                    del batches[place]
            self.set_paused(found, True)
            self.polled_to |= found
        return found

    def _begin(self, place: TopicPartition) -> int:
        """Return the offset of the first record in the log, as the last fetch reported it; negative if unknown."""
        begin: int = self.consumer.get_watermark_offsets(native(place), cached=True)[0]
        return begin

    def learn_generation(self) -> None:
        """Learn the current generation of the member, for the event loop, which must not ask for it itself."""
        with translated("asking for the group's generation"):
            self.metadata = self.consumer.consumer_group_metadata()

    def _refresh_ends(self, *, at_once: bool = False) -> None:
        now = time.monotonic()
        if now - self._ends_at < ENDS_INTERVAL and not at_once:
            return
        self._ends_at = now
        self.learn_generation()
        self.ends = watermarks.known_ends(self.consumer, self.owned)

    def _handle_error(self, error: Any) -> None:
        """Record an error for the status, unless it is transient."""
        from confluent_kafka import KafkaError as Native

        if error.code() in (Native._MAX_POLL_EXCEEDED, Native.UNKNOWN_TOPIC_OR_PART):
            return
        if error.code() == Native._FATAL:
            self._health.report(error)
        self._failed(translate(error, during=f"reading as a member of {self._group}"))

    def set_paused(self, places: Collection[TopicPartition], paused: bool) -> None:
        natives = [native(place) for place in places if place in self.owned]
        try:
            with translated("pausing" if paused else "resuming"):
                (self.consumer.pause if paused else self.consumer.resume)(natives)
        except KafkaError as error:
            logger.debug("a partition is given up already: %s", error)

    def resume(self, places: Collection[TopicPartition]) -> None:
        """Resume partitions that the user has paused."""
        if not self.held:
            self.set_paused([place for place in places if place not in self._strays], False)

    def assigned(self, starts: Mapping[TopicPartition, int], places: Collection[TopicPartition]) -> None:
        """Note where new partitions begin."""
        self._strays.difference_update(places)
        self.polled_to.update(starts)

    def revoked(self, places: Collection[TopicPartition]) -> None:
        """Forget partitions."""
        self._strays.difference_update(places)
        for place in places:
            self.polled_to.pop(place, None)

    def seek(self, partition: TopicPartition, offset: int, number: int, carried_out: Callable[[], None]) -> None:
        if partition in self.owned:
            try:
                with translated(f"seeking in {partition.topic}[{partition.partition}]"):
                    self.consumer.seek(native(partition, offset))
            except KafkaError as error:
                self._failed(error)
            self.polled_to[partition] = offset
            if partition in self._strays:
                self._strays.discard(partition)
                if partition not in self.paused:
                    self.resume([partition])
        self._reached.carried_out(partition, number)
        self.post(carried_out)

    def leave_poll(self) -> None:
        """End the poll that called the current callback.

        confluent-kafka loses its thread state when a callback calls it, and aborts at the next callback of that poll.
        """
        if self._polling:
            raise _RebalancedError
