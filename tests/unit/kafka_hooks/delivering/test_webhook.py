"""Deliveries of one topic: order per key, slots, retries that block only their key, durable dead letters."""

from __future__ import annotations

import asyncio
import errno
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import time
from typing import Any

import anyio
import pytest
from harness.webhook_client import WebhookClient

from pywatt.circuit_breaker import BreakerPolicy
from pywatt.errors import ConnectFailed
from pywatt_kafka import (
    Headers,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    Message,
    RecordPosition,
    RecordTooLarge,
    TopicPartition,
)
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_kafka.dlq.redrive_headers import ORIGINAL_ID, TARGET
from pywatt_kafka.processing.commit_metadata import AttemptRecord, Progress
from pywatt_kafka.processing.key_queues import QueueState
from pywatt_kafka.processing.offset_tracker import OffsetTracker
from pywatt_services.kafka_hooks.admin.lag_explanation import explain_lag
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.partition_state import PartitionState
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreaker, TargetBreakers
from pywatt_services.kafka_hooks.delivering.target_caller import CONNECT_FAILURE_SECONDS
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.webhooks.options import Order, Tombstones, WebhookOptions
from pywatt_services.kafka_hooks.webhooks.record_filter import read_filter
from pywatt_services.kafka_hooks.webhooks.request import RequestMaker
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy
from pywatt_services.kafka_hooks.wire.headers import RawHeaders

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True, params=[False, True], ids=["calls take a task", "calls take no task"])
def connected(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Target, "connected", request.param)


SOON = 0.001
PLACE = TopicPartition("orders", 0)


@dataclass
class Answer:
    """An answer of the target."""

    status: int = 200
    headers: RawHeaders = ()
    body: bytes = b""


@dataclass
class Call:
    """A request that waits for the test to answer it."""

    body: bytes
    headers: dict[bytes, bytes]
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def attempt(self) -> int:
        return int(self.headers[b"x-plt-kafka-hooks-attempt"])


@dataclass
class Target(WebhookClient):
    """Lets the test inspect and answer calls."""

    calls: asyncio.Queue[Call] = field(default_factory=asyncio.Queue)
    in_flight: int = 0

    async def answer(self, method: str, url: str, headers: dict[bytes, bytes], body: bytes) -> Answer:
        assert (method, url) == ("POST", "http://api.plt.local/orders")
        call = Call(body, headers)
        self.calls.put_nowait(call)
        self.in_flight += 1
        try:
            return await call.answer
        finally:
            self.in_flight -= 1


@dataclass
class Writer:
    """A recording producer that first raises the given errors."""

    errors: list[KafkaError] = field(default_factory=list)
    written: asyncio.Queue[tuple[str, dict[str, Any]]] = field(default_factory=asyncio.Queue)
    places: list[bytes | None] = field(default_factory=list)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        placed_by: bytes | None = None,
    ) -> RecordPosition:
        if self.errors:
            raise self.errors.pop(0)
        assert value is not None
        self.places.append(placed_by)
        self.written.put_nowait((topic, json.loads(value)))
        return RecordPosition(topic, 0, 0)


class Partition(PartitionState):
    """Reports finished and retried records to the test."""

    def __init__(self, before: Progress | None = None) -> None:
        super().__init__(
            PLACE, limit=100, targets=[0], changed=lambda _: None, start=0, before={0: before or Progress()}
        )
        self.finished: asyncio.Queue[int] = asyncio.Queue()
        self.attempts: list[tuple[int, AttemptRecord]] = []

    def finish(self, message: Message, share: OffsetTracker) -> None:
        super().finish(message, share)
        self.finished.put_nowait(message.offset)

    def try_again(self, message: Message, share: OffsetTracker, record: AttemptRecord) -> None:
        super().try_again(message, share, record)
        self.attempts.append((message.offset, record))


@dataclass
class Bench:
    """A webhook between test doubles."""

    webhook: Webhook
    target: Target
    writer: Writer
    partition: Partition = field(default_factory=Partition)
    offset: int = 0

    @property
    def finished(self) -> asyncio.Queue[int]:
        return self.partition.finished

    def accept(self, value: bytes | None, key: bytes | None = None, headers: Headers = (), timestamp: int = 0) -> None:
        message = Message("orders", 0, self.offset, key, value, tuple(headers), timestamp)
        self.offset += 1
        (share,) = self.partition.shares
        assert self.partition.take([message], share)
        self.webhook.accept(Delivery(message, self.partition, share))

    async def answer(self, *, status: int = 200, headers: RawHeaders = (), error: Exception | None = None) -> Call:
        call = await self.target.calls.get()
        if error is None:
            call.answer.set_result(Answer(status, headers))
        else:
            call.answer.set_exception(error)
        return call


@asynccontextmanager
async def bench(
    *,
    attempts: int = 3,
    dlq: str | None = "dead",
    concurrency: int = 10,
    errors: Sequence[KafkaError] = (),
    retry: RetryPolicy | None = None,
    largest_record: int | None = None,
    shared: TargetBreaker | None = None,
    now: Callable[[], float] = time,
    **more: Any,
) -> AsyncIterator[Bench]:
    target, writer = Target(), Writer(list(errors))
    options = WebhookOptions(
        topic="orders",
        url="http://api.plt.local/orders",
        retry=retry or RetryPolicy(attempts=attempts, delay=SOON),
        dlq=dlq,
        **more,
    )
    async with asyncio.timeout(10), anyio.create_task_group() as tasks:
        webhook = Webhook(
            options,
            client=target,
            writer=writer,
            tasks=tasks,
            concurrency=concurrency,
            breaker=shared or TargetBreakers().of(options),
            dlq_format=DeadLetterFormat.ORIGINAL,
            largest_record=largest_record,
            now=now,
        )
        yield Bench(webhook, target, writer)
        webhook.break_off()
        tasks.cancel_scope.cancel()


async def test_record_is_finished_when_its_webhook_took_it() -> None:
    async with bench() as b:
        b.accept(b"body", b"k")
        call = await b.answer(status=204)
        assert call.body == b"body"
        assert (call.headers[b"x-plt-kafka-hooks-key"], call.headers[b"webhook-id"]) == (b"k", b"orders-0-0")
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


async def test_refused_connection_answers_for_the_records_that_come_due_with_it() -> None:
    async with bench(retry=RetryPolicy(attempts=2, delay=2 * CONNECT_FAILURE_SECONDS), concurrency=1) as b:
        b.target.connected = False
        for key in (b"a", b"b", b"c"):
            b.accept(b"body", key)
        await b.answer(error=ConnectFailed("cannot connect to api"))  # one attempt with each of them
        again = await b.answer(status=200)  # the first of them, which knocked itself
        assert again.attempt == 2
        knocked = [await b.answer(status=200) for _ in range(2)]
        assert [call.attempt for call in knocked] == [2, 2]
        assert sorted([await b.finished.get() for _ in range(3)]) == [0, 1, 2]


async def test_one_record_tries_a_refusing_target_for_all() -> None:
    now = 0.0
    async with bench(retry=RetryPolicy(attempts=3, delay=SOON), now=lambda: now) as b:
        b.target.connected = False
        b.accept(b"first", b"a")
        await b.answer(error=ConnectFailed("cannot connect to api"))
        first = await b.target.calls.get()  # it may knock again
        now = CONNECT_FAILURE_SECONDS
        b.accept(b"trying", b"b")
        trying = await b.target.calls.get()
        b.accept(b"other", b"c")
        _, letter = await b.writer.written.get()  # all its attempts are over before the other one is answered
        assert [error["message"] for error in letter["errors"]] == ["cannot connect to api"] * 3
        assert await b.finished.get() == 2
        assert b.target.calls.empty()
        now = 2 * CONNECT_FAILURE_SECONDS
        b.accept(b"later", b"d")  # by now the one that tries would have been refused: its answer is only slow
        assert (await b.answer()).body == b"later"
        assert await b.finished.get() == 3
        trying.answer.set_result(Answer(200, ()))
        first.answer.set_result(Answer(200, ()))
        assert sorted([await b.finished.get(), await b.finished.get()]) == [0, 1]


async def test_target_that_answers_again_is_called_by_all_at_once() -> None:
    now = 0.0
    async with bench(retry=RetryPolicy(attempts=3, delay=SOON), now=lambda: now) as b:
        b.target.connected = False
        b.accept(b"first", b"a")
        await b.answer(error=ConnectFailed("cannot connect to api"))
        assert (await b.answer()).attempt == 2
        assert await b.finished.get() == 0
        b.accept(b"other", b"b")
        assert (await b.answer()).attempt == 1


async def test_mistake_of_ours_counts_as_a_failed_attempt(caplog: pytest.LogCaptureFixture) -> None:
    async with bench(attempts=1) as b:
        b.target.connected = False
        b.accept(b"odd")
        await b.answer(error=ValueError("cannot be sent"))
        assert (await b.writer.written.get())[1]["errors"][0]["message"] == "ValueError: cannot be sent"
        assert "delivering orders[0]@0 failed" in caplog.text


async def test_dead_letter_that_cannot_be_written_keeps_its_record_unfinished(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("pywatt_services.kafka_hooks.delivering.undelivered_writer.FIRST_BACKOFF", SOON)
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


async def test_dead_letter_that_is_known_to_be_too_large_is_not_tried() -> None:
    async with bench(attempts=1, largest_record=2000, errors=[]) as b:
        for size, shown in ((100, True), (1300, False), (2000, False)):
            b.accept(b"v" * size)
            await b.answer(status=500)
            letter = (await b.writer.written.get())[1]
            assert (letter["value"] is not None) is shown
    assert len(b.writer.places) == 3


async def test_letters_of_one_key_go_where_the_key_says_and_others_where_their_partition_says() -> None:
    async with bench(attempts=1) as b:
        for key in (b"k", None):
            b.accept(b"bad", key)
            await b.answer(status=500)
            await b.writer.written.get()
    assert b.writer.places == [b"k", b"orders/0"]


async def test_dead_letter_names_its_target(caplog: pytest.LogCaptureFixture) -> None:
    async with bench(attempts=1) as b:
        b.accept(b"bad")
        await b.answer(status=500)
        letter = (await b.writer.written.get())[1]
    assert letter["target"] == "http://api.plt.local/orders"
    assert (int(letter["targetId"], 16), letter["webhookId"]) == (b.webhook.id, "orders-0-0")


async def test_record_that_was_sent_back_to_another_target_is_done() -> None:
    async with bench() as b:
        b.webhook.other_targets = frozenset({0xABC})
        b.accept(b"another's", headers=[(TARGET, b"00000abc")])
        assert await b.finished.get() == 0
        for named in (b"%08x" % b.webhook.id, b"00000abd", b"no id", None):  # ours, nobody's any more, nonsense
            b.accept(b"ours", headers=[(TARGET, named), (ORIGINAL_ID, b"orders-0-9")])
            call = await b.answer()
            assert TARGET.encode() not in call.headers
            assert call.headers[ORIGINAL_ID.encode()] == b"orders-0-9"
            assert call.headers[b"webhook-id"] == b"orders-0-%d" % await b.finished.get()


async def test_target_that_begins_to_fail_and_its_dead_letters_are_told_once_in_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with bench(attempts=1) as b:
        for _ in range(4):
            b.accept(b"bad")
            await b.answer(status=500)
            await b.writer.written.get()
            await b.finished.get()
    fails, *dead = caplog.messages
    outcome = "the webhook answered 500 Internal Server Error"
    assert fails == f"http://api.plt.local/orders fails: attempt 1 of 1 with orders[0]@0, {outcome}"
    assert dead == [
        f"dead letters in dead: {more} more, {sum_} in all; last: orders[0]@{sum_ - 1}, "
        f"which http://api.plt.local/orders did not take: {outcome}"
        for more, sum_ in ((1, 1), (3, 4))
    ]


async def test_record_without_dead_letter_topic_is_logged_and_finished(caplog: pytest.LogCaptureFixture) -> None:
    async with bench(attempts=1, dlq=None) as b:
        b.accept(b"bad", b"k")
        await b.answer(status=404)
        assert await b.finished.get() == 0
        assert b.writer.written.empty()
    (record,) = [record for record in caplog.records if record.levelname == "ERROR"]
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
        b.webhook.drop(PLACE)
        b.partition.lost = True
        call.answer.set_result(Answer(status))
        await b.webhook.idle()
        assert b.finished.empty()
        b.partition, b.offset = Partition(), 0
        b.accept(b"new", b"k")
        assert (await b.answer()).body == b"new"


async def test_failed_attempts_are_noted_for_a_successor() -> None:
    async with bench(attempts=2, errors=[KafkaUnavailable("away")]) as b:
        b.accept(b"bad")
        for status in (503, 500):
            await b.answer(status=status)
        await b.writer.written.get()
        (first, noted), last = b.partition.attempts
        assert (first, noted.attempts, noted.status) == (0, 1, 503)
        assert last == (0, AttemptRecord(2, 500))


async def test_attempts_of_a_worker_before_count() -> None:
    async with bench(attempts=3) as b:
        b.partition = Partition(Progress(attempts={0: AttemptRecord(2, 500)}))
        b.accept(b"bad")
        assert (await b.answer(status=503)).attempt == 3
        assert (await b.writer.written.get())[1]["retries"] == 3


@pytest.mark.parametrize(("status", "shown"), [(503, 503), (None, 499)])
async def test_record_without_an_attempt_left_goes_straight_to_its_dead_letter(status: int | None, shown: int) -> None:
    async with bench(attempts=3) as b:
        b.partition = Partition(Progress(attempts={0: AttemptRecord(3, status)}))
        b.accept(b"bad")
        letter = (await b.writer.written.get())[1]
        assert (letter["retries"], [error["statusCode"] for error in letter["errors"]]) == (3, [shown])
        assert b.target.calls.empty()
        assert await b.finished.get() == 0


async def test_held_partition_starts_nothing_until_it_is_released() -> None:
    async with bench(concurrency=1) as b:
        b.accept(b"in flight")
        b.accept(b"queued")
        call = await b.target.calls.get()
        b.webhook.hold(PLACE)
        call.answer.set_result(Answer())
        await b.webhook.idle()
        assert await b.finished.get() == 0
        assert b.target.calls.empty()
        b.webhook.release(PLACE)
        assert (await b.answer()).body == b"queued"
        assert await b.finished.get() == 1


async def test_records_of_a_partition_can_be_kept_in_order_whatever_their_keys() -> None:
    async with bench(order=Order.PARTITION, attempts=2) as b:
        for value in (b"1", b"2", b"3"):
            b.accept(value, value)
        bodies = [(await b.answer(status=status)).body for status in (500, 200, 200, 200)]
        assert bodies == [b"1", b"1", b"2", b"3"]


async def test_records_of_one_key_can_be_delivered_all_at_once() -> None:
    async with bench(order=Order.NONE) as b:
        for value in (b"1", b"2", b"3"):
            b.accept(value, b"k")
        assert {(await b.target.calls.get()).body for _ in range(3)} == {b"1", b"2", b"3"}


async def test_entry_may_have_a_concurrency_of_its_own() -> None:
    async with bench(concurrency=10) as b:
        assert b.webhook._concurrency == 10
    options = WebhookOptions(topic="orders", url="http://api.plt.local/orders", concurrency=3)
    async with anyio.create_task_group() as tasks:
        webhook = Webhook(
            options,
            client=Target(),
            writer=Writer(),
            tasks=tasks,
            concurrency=10,
            dlq_format=DeadLetterFormat.ORIGINAL,
        )
        assert webhook._concurrency == 3


async def test_target_may_ask_for_a_pause() -> None:
    async with bench(concurrency=1) as b:
        b.accept(b"first", b"k")
        await b.answer(status=429, headers=[(b"retry-after", b"3600")])
        b.accept(b"second", b"l")
        assert (await b.answer()).body == b"second"
        assert await b.finished.get() == 1
        assert b.target.calls.empty()


@pytest.mark.parametrize("policy", list(Tombstones))
async def test_tombstones(policy: Tombstones) -> None:
    async with bench(tombstones=policy) as b:
        b.accept(None, b"k")
        if policy is Tombstones.DELIVER:
            assert (await b.answer()).body == b""
        elif policy is Tombstones.DLQ:
            letter = (await b.writer.written.get())[1]
            assert (letter["value"], letter["retries"]) == (None, 0)
            assert letter["errors"][0]["message"] == "a record without a value is not delivered here"
        assert await b.finished.get() == 0
        assert b.target.calls.empty()


BREAKER = BreakerPolicy(failures=2, window=1000.0, pause=SOON)


async def test_target_that_fails_again_and_again_uses_up_no_attempts() -> None:
    async with bench(attempts=2, concurrency=1, breaker=BREAKER) as b:
        b.accept(b"1", b"k")
        b.accept(b"2", b"l")
        b.accept(b"3", b"m")
        tried = [await b.answer(status=503) for _ in range(20)]
        assert {call.body for call in tried} == {b"1", b"2", b"3"}
        # one counted before it opened
        assert {(call.body, call.attempt) for call in tried} <= {(b"1", 1), (b"1", 2), (b"2", 1), (b"3", 1)}
        assert b.writer.written.empty()
        for _ in range(3):
            await b.answer()
        assert {await b.finished.get() for _ in range(3)} == {0, 1, 2}


async def test_open_breaker_lets_one_attempt_through_at_a_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    async with bench(concurrency=3, breaker=BREAKER, attempts=5) as b:
        for value in (b"1", b"2", b"3"):
            b.accept(value)
        at_once = [await b.target.calls.get() for _ in range(3)]
        for call in at_once:
            call.answer.set_result(Answer(500))
        probe = await b.target.calls.get()
        await asyncio.sleep(SOON * 5)
        assert b.target.calls.empty()
        probe.answer.set_result(Answer())
        for _ in range(2):
            await b.answer()
        assert {await b.finished.get() for _ in range(3)} == {0, 1, 2}
    assert "http://api.plt.local/orders fails again and again (the webhook answered 500" in caplog.text
    assert "answers again" in caplog.text


async def test_record_that_gets_too_old_while_the_breaker_is_open_becomes_a_dead_letter() -> None:
    moment = 30.0
    retry = RetryPolicy(attempts=2, delay=SOON, max_age=60.0)
    breaker = BreakerPolicy(failures=1, pause=SOON)
    async with bench(concurrency=2, breaker=breaker, retry=retry, now=lambda: moment) as b:
        for value in (b"1", b"2", b"3", b"4"):
            b.accept(value)
        for _ in range(2):
            await b.answer(status=503)
        probe = await b.target.calls.get()
        assert probe.body == b"3"
        while any(queue.state is QueueState.PARKED for queue in b.webhook.queues()):
            await anyio.lowlevel.checkpoint()
        moment = 100.0
        probe.answer.set_result(Answer(503))
        letters = [(await b.writer.written.get())[1] for _ in range(2)]
        assert [(each["offset"], each["retries"]) for each in letters] == [("0", 0), ("1", 0)]
        assert [error["statusCode"] for error in letters[0]["errors"]] == [503]
        assert [await b.finished.get() for _ in range(2)] == [0, 1]
        assert (await b.answer()).body == b"4"  # the first attempt is always made
        assert await b.finished.get() == 3


async def test_target_that_asks_for_a_longer_pause_than_the_breakers_gets_it() -> None:
    pauses: list[float] = []
    shared = TargetBreaker("a", BreakerPolicy(failures=2, pause=10.0), later=lambda pause, _: pauses.append(pause))
    async with bench(concurrency=1, shared=shared, attempts=1) as b:
        b.accept(b"1")
        b.accept(b"2")
        await b.answer(status=500)
        await b.answer(status=503, headers=[(b"retry-after", b"3600")])
        await b.webhook.idle()
        assert pauses == [3600.0]


async def test_record_that_is_refused_does_not_open_the_breaker() -> None:
    async with bench(attempts=2, concurrency=1, breaker=BREAKER) as b:
        for value in (b"1", b"2"):
            b.accept(value)
        assert [(await b.answer(status=422)).attempt for _ in range(4)] in ([1, 2, 1, 2], [1, 1, 2, 2])
        assert {(await b.writer.written.get())[1]["offset"] for _ in range(2)} == {"0", "1"}


async def test_dead_letters_are_written_while_the_breaker_is_half_open() -> None:
    async with bench(attempts=1, concurrency=1, breaker=BREAKER, errors=[KafkaUnavailable("away")]) as b:
        b.accept(b"1", b"k")
        await b.answer(status=422)  # its dead letter cannot be written now
        for value in (b"2", b"3"):
            b.accept(value)
        for _ in range(4):
            await b.answer(status=503)
        assert (await b.writer.written.get())[1]["offset"] in "012"


async def test_record_without_a_url_is_a_dead_letter_at_once() -> None:
    async with bench() as b:
        b.webhook._caller._requests = RequestMaker(
            WebhookOptions(topic="orders", url="http://a.plt.local/{record.key}")
        )
        b.accept(b"body")
        letter = (await b.writer.written.get())[1]
        assert letter["errors"][0]["message"] == "the record has no record.key, which its URL needs"
        assert await b.finished.get() == 0
        assert b.target.calls.empty()


async def test_record_that_is_not_for_this_target_is_done() -> None:
    async with bench(filter=read_filter({"key": "k"})) as b:
        b.accept(b"other", b"l")
        assert await b.finished.get() == 0
        b.accept(b"this", b"k")
        assert (await b.answer()).body == b"this"


async def test_call_over_a_lost_connection_is_made_again_without_counting() -> None:
    async with bench(attempts=1) as b:
        b.target.unmade = 1
        b.accept(b"body", b"k")
        assert (await b.answer()).attempt == 1
        assert await b.finished.get() == 0


async def test_calls_in_flight_are_broken_off_and_nothing_comes_of_them() -> None:
    async with bench(attempts=1) as b:
        b.accept(b"first", b"k")
        b.accept(b"behind", b"k")
        call = await b.target.calls.get()
        b.webhook.break_off()
        if b.target.connected:
            await asyncio.wait([call.answer])
            assert call.answer.cancelled()
        assert b.finished.empty()
        assert b.target.calls.empty()


async def test_mistake_in_what_follows_a_call_ends_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer_one() -> None:
        async with bench() as b:
            monkeypatch.setattr(b.partition, "finish", None)
            b.accept(b"body")
            await b.answer()
            await asyncio.Event().wait()

    with pytest.raises(ExceptionGroup) as caught:
        await answer_one()
    assert caught.group_contains(TypeError)


async def test_attempt_that_a_worker_before_has_put_off_waits_and_holds_only_its_key() -> None:
    now = 1_000.0
    async with bench(attempts=3, now=lambda: now, retry=RetryPolicy(attempts=3, delay=60.0)) as b:
        b.partition = Partition(Progress(attempts={0: AttemptRecord(1, 503, now + 0.2)}))
        b.accept(b"put off", b"k")
        b.accept(b"behind", b"k")
        b.accept(b"other", b"l")
        assert (await b.answer()).body == b"other"
        assert await b.finished.get() == 2
        assert b.target.calls.empty()
        (queue,) = b.webhook.queues()
        assert queue.state is QueueState.PARKED
        call = await b.answer()  # real time passes, the clock of due times stands still
        assert (call.body, call.attempt) == (b"put off", 2)
        assert (await b.answer()).body == b"behind"


async def test_attempt_that_is_due_is_made_at_once_whatever_the_clock_was_before() -> None:
    async with bench(attempts=3, now=lambda: 1_000.0, retry=RetryPolicy(attempts=3, delay=60.0)) as b:
        b.partition = Partition(Progress(attempts={0: AttemptRecord(1, 503, 999.0), 1: AttemptRecord(2, 503, 1e15)}))
        b.accept(b"due", b"k")
        b.accept(b"far", b"l")
        assert (await b.answer()).attempt == 2
        (far,) = [queue for queue in b.webhook.queues() if queue.key == b"l"]
        await b.webhook.idle()
        assert far.state is QueueState.PARKED  # an hour at most: no pause is longer


@pytest.mark.parametrize("after", [b"300", b"Thu, 01 Jan 1970 00:21:40 GMT"])
async def test_pause_is_noted_with_the_attempt(after: bytes) -> None:
    async with bench(attempts=3, now=lambda: 1_000.0, retry=RetryPolicy(attempts=3, delay=60.0)) as b:
        for headers in ([], [(b"retry-after", after)]):
            b.accept(b"bad")
            await b.answer(status=503, headers=headers)
            await b.webhook.idle()
        assert b.partition.attempts == [(0, AttemptRecord(1, 503, 1_060.0)), (1, AttemptRecord(1, 503, 1_300.0))]


async def test_pause_of_an_attempt_that_does_not_count_is_noted_too() -> None:
    breaker = BreakerPolicy(failures=1, pause=10.0)
    async with bench(breaker=breaker, now=lambda: 1_000.0) as b:
        b.accept(b"bad")
        await b.answer(status=503, headers=[(b"retry-after", b"90")])
        await b.webhook.idle()
        assert b.partition.attempts == [(0, AttemptRecord(0, None, 1_090.0))]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            InvalidRecord("writing to topic dead: no such record"),
            "letters have no key: set cleanup.policy=delete for dead",
        ),
        (RecordTooLarge("writing to topic dead: too large"), "raise max.message.bytes of dead"),
        (KafkaUnavailable("writing to topic dead: no broker answers"), "no broker answers"),
    ],
)
async def test_why_tells_what_a_dead_letter_waits_for(error: KafkaError, words: str) -> None:
    async with bench(attempts=1, errors=[error] * 10) as b:
        b.accept(b"bad", b"k")
        await b.answer(status=500)
        await b.webhook.idle()
        ((holder,),) = [each["heldBy"] for each in explain_lag({PLACE: b.partition}, [b.webhook], 0.0)]
    assert holder["state"].startswith(f"its dead letter cannot be written: {error.message}")
    assert words in holder["state"]
    assert holder["error"] == "the webhook answered 500 Internal Server Error"


async def test_record_without_a_time_of_its_own_is_as_old_as_its_reading() -> None:
    now = 1_000_000.0
    async with bench(now=lambda: now, retry=RetryPolicy(attempts=3, delay=SOON, max_age=60.0)) as b:
        b.accept(b"timeless", b"k", timestamp=-1)
        first = await b.target.calls.get()
        ((holder,),) = [each["heldBy"] for each in explain_lag({PLACE: b.partition}, [b.webhook], now + 2)]
        assert holder["age"] == 2
        first.answer.set_result(Answer(503))
        assert (await b.answer(status=503)).attempt == 2
        now += 61
        assert (await b.answer(status=503)).attempt == 3
        assert (await b.writer.written.get())[1]["retries"] == 3
    async with bench(now=lambda: now, retry=RetryPolicy(attempts=3, delay=SOON, max_age=60.0)) as b:
        b.accept(b"old", b"k", timestamp=1000)
        await b.answer(status=503)
        assert (await b.writer.written.get())[1]["retries"] == 1
