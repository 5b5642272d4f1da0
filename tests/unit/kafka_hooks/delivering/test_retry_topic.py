"""Retry topics: a failed record is written there and done; a retry record is delivered when it is due."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from harness.webhook_client import WebhookClient

from pywatt.circuit_breaker import BreakerPolicy
from pywatt_kafka import Headers, KafkaError, KafkaUnavailable, Message, RecordPosition, RecordTooLarge, TopicPartition
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_kafka.processing.commit_metadata import AttemptRecord, Progress
from pywatt_services.kafka_hooks.admin.lag_explanation import explain_lag
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.partition_state import PartitionState
from pywatt_services.kafka_hooks.delivering.retry_record import read_retry_record
from pywatt_services.kafka_hooks.delivering.retry_topic import BundlingRetryTopicWebhook, RetryTopicWebhook
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreakers
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.webhooks.bundle import BundleOptions
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy

pytestmark = pytest.mark.anyio

DELAY = 60.0
MESSAGE = Message("orders", 4, 17, b"k", b"body", (("x-a", b"b"),), 1_000)


@dataclass
class Answer:
    status: int
    headers: Sequence[tuple[bytes, bytes]] = ()
    body: bytes = b"why"


@dataclass
class Target(WebhookClient):
    """Answers with one status after another, and repeats the last one."""

    statuses: list[int]
    calls: list[tuple[dict[bytes, bytes], bytes]] = field(default_factory=list)

    async def answer(self, method: str, url: str, headers: dict[bytes, bytes], body: bytes) -> Answer:
        self.calls.append((headers, body))
        return Answer(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])


@dataclass
class Writer:
    """A recording producer that first raises the given errors."""

    errors: list[KafkaError] = field(default_factory=list)
    written: list[Message] = field(default_factory=list)

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
        self.written.append(Message(topic, 0, len(self.written), key, value, tuple(headers), 0))
        return RecordPosition(topic, 0, 0)


@dataclass
class Bench:
    """The targets of a topic and of its retry topic between test doubles, with a manual clock."""

    target: Target
    writer: Writer
    now: float = 1_000.0
    first: Webhook = field(init=False)
    again: RetryTopicWebhook = field(init=False)
    finished: asyncio.Queue[int] = field(default_factory=asyncio.Queue)
    waits: list[tuple[float, Any]] = field(default_factory=list)

    def partition(self, topic: str, number: int, before: Progress | None = None) -> PartitionState:
        return PartitionState(
            TopicPartition(topic, number),
            limit=100,
            targets=[0],
            changed=lambda _: self.finished.put_nowait(0),
            start=0,
            before={0: before or Progress()},
        )

    def accept(self, webhook: Webhook, message: Message, before: Progress | None = None) -> PartitionState:
        partition = self.partition(message.topic, message.partition, before)
        (share,) = partition.shares
        assert partition.take([message], share)
        webhook.accept(Delivery(message, partition, share))
        return partition


@asynccontextmanager
async def bench(
    *statuses: int, errors: Sequence[KafkaError] = (), bundle: BundleOptions | None = None, **more: Any
) -> AsyncIterator[Bench]:
    b = Bench(Target(list(statuses)), Writer(list(errors)))
    options = WebhookOptions(
        topic="orders",
        url="http://api.plt.local/orders",
        dlq="dead",
        bundle=bundle,
        **{"retry": RetryPolicy(attempts=3, delay=DELAY, topic="orders-retry"), **more},
    )
    async with asyncio.timeout(10), anyio.create_task_group() as tasks:
        settings: dict[str, Any] = {
            "client": b.target,
            "writer": b.writer,
            "tasks": tasks,
            "concurrency": 10,
            "dlq_format": DeadLetterFormat.ORIGINAL,
            "now": lambda: b.now,
            "breaker": TargetBreakers().of(options),
        }
        b.first = Webhook(options, duplicate_index=1, **settings)
        b.again = (
            RetryTopicWebhook(options, **settings)
            if bundle is None
            else BundlingRetryTopicWebhook(options, bundle, **settings)
        )
        yield b
        tasks.cancel_scope.cancel()


async def postponed(b: Bench) -> Message:
    """Let the first attempt fail; return the record in the retry topic."""
    b.accept(b.first, MESSAGE)
    await b.finished.get()  # the failed attempt
    await b.finished.get()  # that it is done here
    await b.first.idle()
    assert not list(b.first.queues())
    return b.writer.written[-1]


async def test_failed_record_is_done_when_it_is_in_the_retry_topic() -> None:
    async with bench(500) as b:
        record = await postponed(b)
        assert (record.topic, record.key, record.value) == ("orders-retry", b"k", b"body")
        found = read_retry_record(record)
        assert found is not None
        assert (found.message, found.attempts, found.due) == (MESSAGE, 1, b.now + DELAY)
        assert [failure.status for failure in found.failures] == [500]


async def test_dead_letter_names_the_target_of_the_first_attempt() -> None:
    async with bench(500, retry=RetryPolicy(attempts=2, delay=DELAY, topic="orders-retry")) as b:
        record = await postponed(b)
        assert b.again.id != b.first.id
        b.now += DELAY
        b.accept(b.again, record)
        while len(b.writer.written) < 2:
            await b.finished.get()
        letter = json.loads(b.writer.written[-1].value or b"")
        assert (int(letter["targetId"], 16), letter["offset"]) == (b.first.id, str(MESSAGE.offset))


async def test_record_is_done_only_when_the_broker_has_it() -> None:
    async with bench(500, errors=[KafkaUnavailable("away")]) as b:
        partition = b.accept(b.first, MESSAGE)
        while not b.writer.written:
            await b.finished.get()
            (state,) = explain_lag({partition.place: partition}, [b.first], b.now)[0]["heldBy"] or [{}]
            if not b.writer.written:
                assert state["state"].startswith("its record for the retry topic ")
        assert len(b.target.calls) == 1


async def test_record_too_large_for_the_retry_topic_is_tried_again_from_where_it_is() -> None:
    policy = RetryPolicy(attempts=3, delay=0.001, topic="orders-retry")
    async with bench(500, 200, errors=[RecordTooLarge("1 MiB")], retry=policy) as b:
        b.accept(b.first, MESSAGE)
        while len(b.target.calls) < 2:
            await b.finished.get()
        assert not b.writer.written


async def test_second_attempt_looks_like_the_first_and_comes_when_it_is_due() -> None:
    async with bench(500, 200) as b:
        record = await postponed(b)
        partition = b.accept(b.again, record)
        await b.again.idle()
        assert len(b.target.calls) == 1
        (state,) = explain_lag({partition.place: partition}, [b.again], b.now)[0]["heldBy"]
        assert (state["offset"], state["origin"], state["attempts"]) == (record.offset, "orders[4]@17", 1)
        assert state["state"] == "waits for its next attempt"
        b.now += DELAY
        (queue,) = b.again.queues()
        b.again._unpark([queue])
        await b.finished.get()
        (first, second) = b.target.calls
        assert second[1] == first[1] == b"body"
        attempt = b"x-plt-kafka-hooks-attempt"
        assert (first[0].pop(attempt), second[0].pop(attempt)) == (b"1", b"2")
        assert first == second
        assert partition.next == record.offset + 1
        commit = partition.to_commit()
        assert commit is not None
        assert commit.offset.offset == record.offset + 1


async def test_last_attempt_ends_in_a_letter_that_names_the_origin() -> None:
    async with bench(500, 502, 503) as b:
        record = await postponed(b)
        for _ in range(2):
            b.now += DELAY
            b.accept(b.again, record)
            await b.finished.get()
            await b.finished.get()
            record = b.writer.written[-1]
        assert [message.topic for message in b.writer.written] == ["orders-retry", "orders-retry", "dead"]
        letter = json.loads(record.value or b"")
        assert (letter["topic"], letter["partition"], letter["offset"], letter["retries"]) == ("orders", 4, "17", 3)
        assert letter["headers"] == {"x-a": "b"}
        assert [(each["statusCode"], each["attempt"]) for each in letter["errors"]] == [(500, 0), (502, 1), (503, 2)]


async def test_attempts_of_a_worker_that_has_ended_count() -> None:
    async with bench(500, 200) as b:
        record = await postponed(b)
        b.now += DELAY
        before = Progress(attempts={record.offset: AttemptRecord(3, 503)})
        b.accept(b.again, record, before)
        await b.finished.get()
        assert len(b.target.calls) == 1
        assert json.loads(b.writer.written[-1].value or b"")["retries"] == 3


async def test_record_that_somebody_else_has_written_is_delivered_as_it_is() -> None:
    async with bench(200) as b:
        b.accept(b.again, Message("orders-retry", 0, 0, b"k", b"mine", (), 0))
        await b.finished.get()
        assert b.target.calls[0][1] == b"mine"


async def test_records_that_are_due_travel_together() -> None:
    async with bench(500, 200, bundle=BundleOptions(records=10, wait=0)) as b:
        record = await postponed(b)
        partition = b.partition("orders-retry", 0)
        (share,) = partition.shares
        for offset, late in enumerate((0.0, 0.0, 1_000.0)):
            headers = [
                (name, b"%d" % ((b.now + late) * 1000) if name.endswith("not-before") else value)
                for name, value in record.headers
            ]
            message = Message("orders-retry", 0, offset, b"k", b"body", tuple(headers), 0)
            partition.take([message], share)
            b.again.accept(Delivery(message, partition, share))
        await b.finished.get()
        await b.finished.get()
        records = json.loads(b.target.calls[-1][1])["records"]
        assert [(each["offset"], each["attempt"]) for each in records] == [(17, 2), (17, 2)]


async def test_breaker_leaves_the_record_where_it_is() -> None:
    breaker = BreakerPolicy(failures=1, window=60, pause=0.01)
    async with bench(503, 200, breaker=breaker) as b:
        b.accept(b.first, MESSAGE)
        await b.finished.get()  # it is noted that it waits
        await b.finished.get()
        assert not b.writer.written
        assert len(b.target.calls) == 2
