"""Delivery reports: their order, errors, and the thread that polls for them."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
from confluent_kafka import KafkaError as Native
from confluent_kafka import KafkaException

from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.rdkafka.delivery_reports import BURST, BUSY, DeliveryReports
from pywatt_kafka.records import RecordPosition

pytestmark = pytest.mark.anyio

LONG = 10.0


class Report:
    """A message of confluent-kafka's, as far as it is used."""

    def __init__(self, offset: int) -> None:
        self._offset = offset

    def topic(self) -> str:
        return "orders"

    def partition(self) -> int:
        return 1

    def offset(self) -> int | None:
        return None if self._offset < 0 else self._offset


class Client:
    """A producer whose polls wait for reports, and the outcomes that were passed on."""

    def __init__(self, *, fetched_by_loop: bool = True) -> None:
        self.ready: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.polled_by: list[int] = []
        self.outcomes: list[RecordPosition | KafkaError] = []
        self.told_in: set[int] = set()
        self.fatal: list[Any] = []
        self.changed = asyncio.Event()
        self.reports = DeliveryReports(
            self,
            asyncio.get_running_loop(),
            failure=lambda topic, error: KafkaUnavailable(f"{topic}: {type(error).__name__}"),
            failed=self.fatal.append,
            fetched_by_loop=fetched_by_loop,
        )

    def poll(self, timeout: float) -> int:
        try:
            report = self.ready.get(timeout=timeout) if timeout else self.ready.get_nowait()
        except queue.Empty:
            return 0
        self.polled_by.append(threading.get_ident())
        report()
        return 1

    def tell(self, offset: int, error: Any = None, done: Callable[[Any], None] | None = None) -> None:
        """Report one record, as librdkafka does in a poll."""
        self.reports.received(done or self.done, error, Report(offset))

    def done(self, outcome: RecordPosition | KafkaError) -> None:
        self.outcomes.append(outcome)
        self.told_in.add(threading.get_ident())
        self.changed.set()

    def deliver(self, offsets: range) -> None:
        """Let the next poll report so many records."""
        self.ready.put(partial(self._tell_all, offsets))

    def _tell_all(self, offsets: range) -> None:
        for offset in offsets:
            self.tell(offset)

    async def told(self, count: int) -> list[int]:
        """Wait for so many outcomes; return their offsets."""
        async with asyncio.timeout(LONG):
            while len(self.outcomes) < count:
                self.changed.clear()
                await self.changed.wait()
        return [outcome.offset for outcome in self.outcomes if isinstance(outcome, RecordPosition)]


@asynccontextmanager
async def client(*, fetched_by_loop: bool = True) -> AsyncIterator[Client]:
    made = Client(fetched_by_loop=fetched_by_loop)
    made.reports.start()
    try:
        yield made
    finally:
        made.reports.stop()
        await asyncio.to_thread(made.reports.join)


async def test_outcomes_are_told_in_the_event_loop_in_their_order() -> None:
    async with client() as made:
        made.deliver(range(3))
        made.deliver(range(3, 5))
        assert await made.told(5) == [0, 1, 2, 3, 4]
        assert made.told_in == {threading.get_ident()}
        assert threading.get_ident() not in made.polled_by


async def test_reports_in_large_numbers_are_fetched_by_the_event_loop_until_none_come() -> None:
    async with client() as made:
        count = 3 * BURST
        made.deliver(range(count))
        await made.told(BUSY)
        while threading.get_ident() not in made.polled_by:  # the thread, which was waiting, may take another one
            made.deliver(range(count, count + 1))
            count += 1
            assert await made.told(count) == list(range(count))
        assert await asyncio.to_thread(made.reports._thread_polls.wait, LONG)
        made.polled_by.clear()
        made.deliver(range(1))
        await made.told(count + 1)
        assert threading.get_ident() not in made.polled_by


async def test_the_event_loop_never_polls_for_a_producer_with_other_callbacks() -> None:
    async with client(fetched_by_loop=False) as made:
        made.deliver(range(5 * BURST))
        made.deliver(range(5 * BURST, 5 * BURST + 1))
        assert await made.told(5 * BURST + 1) == list(range(5 * BURST + 1))
        assert threading.get_ident() not in made.polled_by


async def test_a_callback_that_fails_takes_nothing_from_the_others() -> None:
    seen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context["exception"]))

    def fail(_: object) -> None:
        raise ZeroDivisionError

    def reports() -> None:
        made.tell(0)
        made.tell(1, done=fail)
        made.tell(2)

    async with client() as made:
        made.ready.put(reports)
        assert await made.told(2) == [0, 2]
    assert [type(error) for error in seen] == [ZeroDivisionError]


async def test_errors_are_translated() -> None:
    async with client() as made:
        made.ready.put(lambda: made.tell(-1, Native(Native._MSG_TIMED_OUT)))
        made.ready.put(lambda: made.tell(-1, Native(Native._UNKNOWN_TOPIC)))
        made.ready.put(lambda: made.tell(-1))
        await made.told(3)
    timed_out, unknown, written = made.outcomes
    assert str(timed_out) == "orders: TimeoutError"
    assert str(unknown) == "orders: UnknownTopic"
    assert written == RecordPosition("orders", 1, -1)


async def test_a_fatal_error_is_reported() -> None:
    fatal = Native(Native._FATAL)

    def poll() -> None:
        raise KafkaException(fatal)

    async with client() as made:
        made.ready.put(poll)
        made.deliver(range(1))
        await made.told(1)
        assert made.fatal == [fatal]


async def test_outcomes_that_are_left_are_told_after_the_end() -> None:
    async with client() as made:
        made.reports.stop()
        await asyncio.to_thread(made.reports.join)
        made.deliver(range(2 * BURST))
        made.poll(0)  # as `flush` does
        assert made.reports.waiting
        made.reports.pass_all()
        assert await made.told(2 * BURST) == list(range(2 * BURST))
        assert not made.reports.waiting


async def test_errors_alone_are_told_of_records_that_nobody_waits_for() -> None:
    async with client() as made:
        report = made.reports.losses(made.done)

        def reports() -> None:
            report(None, Report(0))
            report(Native(Native._MSG_TIMED_OUT), Report(-1))
            report(None, Report(1))
            made.tell(2)

        made.ready.put(reports)
        await made.told(2)
    assert [str(outcome) for outcome in made.outcomes[:1]] == ["orders: TimeoutError"]
    assert made.outcomes[1:] == [RecordPosition("orders", 1, 2)]


async def test_the_event_loop_fetches_reports_while_many_records_are_written() -> None:
    async with client() as made:
        report = made.reports.losses(made.done)
        made.reports.collect()
        made.ready.put(lambda: report(None, Report(0)))
        await made.reports.fetched()
        made.polled_by.clear()
        made.ready.put(lambda: report(None, Report(1)))
        made.reports.collect()
        assert made.polled_by == [threading.get_ident()]
        async with asyncio.timeout(LONG):
            while made.reports.fetching:
                await made.reports.fetched()
        assert await asyncio.to_thread(made.reports._thread_polls.wait, LONG)


@pytest.mark.parametrize("fetching", [False, True])
async def test_reports_make_room(fetching: bool) -> None:
    async with client() as made:
        report = made.reports.losses(made.done)
        if fetching:
            made.reports.collect()
            made.ready.put(lambda: report(None, Report(0)))
            await made.reports.fetched()
        made.reports.room.clear()
        made.ready.put(lambda: report(None, Report(1)))
        async with asyncio.timeout(LONG):
            await made.reports.room.wait()
        assert made.outcomes == []
