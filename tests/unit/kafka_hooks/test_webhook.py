"""Deliveries of one topic: order per key, slots, retries that block only their key, dead letters that are not lost."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from pywatt.errors import ConnectFailed
from pywatt_kafka import KafkaError, KafkaUnavailable, Message, RecordPosition, RecordTooLarge, TopicPartition
from pywatt_services.kafka_hooks.config import DeadLetterFormat, WebhookOptions
from pywatt_services.kafka_hooks.headers import RawHeaders
from pywatt_services.kafka_hooks.partition import HeldPartition
from pywatt_services.kafka_hooks.retry import RetryPolicy
from pywatt_services.kafka_hooks.webhook import Delivery, Webhook

pytestmark = pytest.mark.anyio

SOON = 0.001


@dataclass
class Answer:
    """An answer of the target."""

    status: int = 200
    headers: RawHeaders = ()
    body: bytes = b""


@dataclass
class Call:
    """One request that waits for the test to answer it."""

    body: bytes
    headers: dict[bytes, bytes]
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def attempt(self) -> int:
        return int(self.headers[b"x-plt-kafka-hooks-attempt"])


@dataclass
class Target:
    """An HTTP client whose calls the test sees and answers."""

    calls: asyncio.Queue[Call] = field(default_factory=asyncio.Queue)
    in_flight: int = 0

    async def request(self, method: str, url: str, *, headers: RawHeaders, body: bytes, timeout: float) -> Answer:
        assert (method, url) == ("POST", "http://api.plt.local/orders")
        call = Call(body, dict(headers))
        self.calls.put_nowait(call)
        self.in_flight += 1
        try:
            return await call.answer
        finally:
            self.in_flight -= 1


@dataclass
class Writer:
    """A producer that remembers, after the errors it was given."""

    errors: list[KafkaError] = field(default_factory=list)
    written: asyncio.Queue[tuple[str, dict[str, Any]]] = field(default_factory=asyncio.Queue)

    async def send(self, topic: str, value: bytes | None) -> RecordPosition:
        if self.errors:
            raise self.errors.pop(0)
        assert value is not None
        self.written.put_nowait((topic, json.loads(value)))
        return RecordPosition(topic, 0, 0)


@dataclass
class Bench:
    """A webhook between doubles."""

    webhook: Webhook
    target: Target
    writer: Writer
    finished: asyncio.Queue[int]
    partition: HeldPartition = field(default_factory=lambda: HeldPartition(100))
    offset: int = 0

    def accept(self, value: bytes | None, key: bytes | None = None) -> None:
        message = Message("orders", 0, self.offset, key, value, (), 0)
        self.offset += 1
        self.partition.take(message)
        self.webhook.accept(Delivery(message, self.partition))

    async def answer(self, *, status: int = 200, error: Exception | None = None) -> Call:
        call = await self.target.calls.get()
        if error is None:
            call.answer.set_result(Answer(status))
        else:
            call.answer.set_exception(error)
        return call


@asynccontextmanager
async def bench(
    *, attempts: int = 3, dlq: str | None = "dead", concurrency: int = 10, errors: Sequence[KafkaError] = ()
) -> AsyncIterator[Bench]:
    target, writer = Target(), Writer(list(errors))
    finished: asyncio.Queue[int] = asyncio.Queue()
    options = WebhookOptions(
        topic="orders",
        url="http://api.plt.local/orders",
        retry=RetryPolicy(attempts=attempts, delay=SOON),
        dlq=dlq,
    )
    async with asyncio.timeout(10), anyio.create_task_group() as tasks:
        webhook = Webhook(
            options,
            client=target,
            writer=writer,
            tasks=tasks,
            concurrency=concurrency,
            dlq_format=DeadLetterFormat.ORIGINAL,
            finished=lambda delivery: finished.put_nowait(delivery.message.offset),
        )
        yield Bench(webhook, target, writer, finished)
        tasks.cancel_scope.cancel()


async def test_record_is_finished_when_its_webhook_took_it() -> None:
    async with bench() as b:
        b.accept(b"body", b"k")
        call = await b.answer(status=204)
        assert call.body == b"body"
        assert call.headers == {b"x-plt-kafka-hooks-key": b"k", b"x-plt-kafka-hooks-attempt": b"1"}
        assert await b.finished.get() == 0
        await b.webhook.idle()


async def test_record_without_value_is_an_empty_request() -> None:
    async with bench() as b:
        b.accept(None)
        assert (await b.answer()).body == b""
        assert await b.finished.get() == 0


async def test_records_of_one_key_go_one_after_the_other() -> None:
    async with bench() as b:
        for value in (b"1", b"2"):
            b.accept(value, b"k")
        first = await b.target.calls.get()
        b.accept(b"other", b"l")
        other = await b.target.calls.get()
        assert (first.body, other.body) == (b"1", b"other")
        other.answer.set_result(Answer())
        assert await b.finished.get() == 2
        assert b.target.calls.empty()
        first.answer.set_result(Answer())
        assert (await b.answer()).body == b"2"


async def test_no_more_deliveries_at_once_than_allowed() -> None:
    async with bench(concurrency=2) as b:
        for value in (b"1", b"2", b"3"):
            b.accept(value)
        first, _ = await b.target.calls.get(), await b.target.calls.get()
        assert b.target.calls.empty()
        first.answer.set_result(Answer())
        assert (await b.target.calls.get()).body == b"3"
        assert b.target.in_flight == 2


async def test_waiting_retry_holds_its_key_but_no_slot() -> None:
    async with bench(concurrency=1, attempts=100) as b:
        b.accept(b"bad", b"k")
        b.accept(b"behind", b"k")
        b.accept(b"good", b"l")
        order = [await b.answer(status=status) for status in (500, 200, 200, 200)]
        assert [call.body for call in order] == [b"bad", b"good", b"bad", b"behind"]


async def test_attempts_are_counted_and_then_the_record_is_a_dead_letter() -> None:
    async with bench() as b:
        b.accept(b"bad", b"k")
        refused = ConnectFailed("cannot connect to api")
        refused.__cause__ = OSError(errno.ECONNREFUSED, "refused")
        attempts = [(await b.answer(status=500)).attempt, (await b.answer(error=refused)).attempt]
        attempts.append((await b.answer(status=302)).attempt)
        assert attempts == [1, 2, 3]
        topic, letter = await b.writer.written.get()
        assert await b.finished.get() == 0
        assert (topic, letter["retries"]) == ("dead", 3)
        assert [error["statusCode"] for error in letter["errors"]] == [500, 499, 302]
        assert letter["errors"][1]["message"] == "cannot connect to api (ECONNREFUSED)"


async def test_mistake_of_ours_counts_as_a_failed_attempt(caplog: pytest.LogCaptureFixture) -> None:
    async with bench(attempts=1) as b:
        b.accept(b"odd")
        await b.answer(error=ValueError("cannot be sent"))
        assert (await b.writer.written.get())[1]["errors"][0]["message"] == "ValueError: cannot be sent"
        assert "delivering orders[0]@0 failed" in caplog.text


async def test_dead_letter_that_cannot_be_written_keeps_its_record_unfinished(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pywatt_services.kafka_hooks.webhook.FIRST_DLQ_BACKOFF", SOON)
    async with bench(attempts=1, concurrency=1, errors=[KafkaUnavailable("away")] * 3) as b:
        b.accept(b"bad", b"k")
        b.accept(b"good", b"l")
        await b.answer(status=500)
        assert (await b.answer()).body == b"good"
        assert await b.finished.get() == 1
        assert (await b.writer.written.get())[0] == "dead"
        assert await b.finished.get() == 0
        assert b.target.calls.empty()
    assert caplog.text.count("stays unfinished") == 1


async def test_dead_letter_that_is_too_large_says_where_the_record_is() -> None:
    async with bench(attempts=1, errors=[RecordTooLarge("too large")]) as b:
        b.accept(b"bad")
        await b.answer(status=500)
        letter = (await b.writer.written.get())[1]
        assert (letter["offset"], letter["value"]) == ("0", None)
        assert await b.finished.get() == 0


async def test_record_without_dead_letter_topic_is_logged_and_finished(caplog: pytest.LogCaptureFixture) -> None:
    async with bench(attempts=1, dlq=None) as b:
        b.accept(b"bad", b"k")
        await b.answer(status=404)
        assert await b.finished.get() == 0
        assert b.writer.written.empty()
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    for part in ("orders[0]@0", "http_404", "b'k'", "the webhook answered 404 Not Found"):
        assert part in record.getMessage()


async def test_stop_lets_what_is_in_flight_end_and_starts_nothing_new() -> None:
    async with bench(concurrency=1) as b:
        b.accept(b"in flight")
        b.accept(b"queued")
        call = await b.target.calls.get()
        b.webhook.stop()
        call.answer.set_result(Answer())
        await b.webhook.idle()
        assert await b.finished.get() == 0
        assert b.target.calls.empty()


@pytest.mark.parametrize("status", [200, 500])
async def test_result_for_a_lost_partition_does_not_count(status: int) -> None:
    async with bench(attempts=2) as b:
        b.accept(b"old", b"k")
        b.accept(b"dropped", b"k")
        call = await b.target.calls.get()
        b.webhook.drop(TopicPartition("orders", 0))
        b.partition.lost = True
        call.answer.set_result(Answer(status))
        await b.webhook.idle()
        assert b.finished.empty()
        b.partition = HeldPartition(100)
        b.accept(b"new", b"k")
        assert (await b.answer()).body == b"new"
