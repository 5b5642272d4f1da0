"""Batches: the request, the answer, and the outcome of each record."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from harness.fuzz import fuzz
from harness.webhook_client import WebhookClient
from hypothesis import given
from hypothesis import strategies as st

from pywatt.circuit_breaker import BreakerPolicy
from pywatt_kafka import Headers, Message, RecordPosition, TopicPartition
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.partition_state import PartitionState
from pywatt_services.kafka_hooks.delivering.bundling import BundlingWebhook
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreakers
from pywatt_services.kafka_hooks.webhooks.bundle import (
    REFUSED,
    BundleOptions,
    UnreadableResponse,
    bundle_body,
    refused_records,
)
from pywatt_services.kafka_hooks.webhooks.options import Order, WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy
from pywatt_services.kafka_hooks.webhooks.signature import SigningKey
from pywatt_services.kafka_hooks.wire.headers import RawHeaders

SOON = 0.001
PLACE = TopicPartition("orders", 0)


def test_body_holds_everything_of_each_record() -> None:
    text = Message("orders", 0, 7, "ü".encode(), b"{}", (("A", "é".encode()), ("host", b"evil"), ("n", None)), 5)
    binary = Message("orders", 1, 8, b"\xff", b"\xfe", (), 6)
    empty = Message("orders", 1, 9, None, None, (), 6)
    body = json.loads(bundle_body([(text, "i1", 2), (binary, "i2", 1), (empty, "i3", 1)]))
    assert body["records"][0] == {
        "id": "i1",
        "topic": "orders",
        "partition": 0,
        "offset": 7,
        "timestamp": 5,
        "attempt": 2,
        "key": "ü",
        "headers": {"a": "é"},
        "value": "{}",
    }
    assert {name: body["records"][1][name] for name in ("key", "keyEncoding", "value", "valueEncoding")} == {
        "key": "/w==", "keyEncoding": "base64", "value": "/g==", "valueEncoding": "base64",
    }  # fmt: skip
    assert (body["records"][2]["key"], body["records"][2]["value"]) == (None, None)


def test_headers_are_text_else_base64_and_a_list_where_a_name_comes_again() -> None:
    headers = (("a", b"1"), ("A", b"\xff"), ("b", b"\xfe"), ("x-plt-kafka-hooks-tombstone", b"true"))
    body = json.loads(bundle_body([(Message("orders", 0, 7, None, b"", headers, 5), "i", 1)]))
    assert body["records"][0]["headers"] == {"a": ["1", {"base64": "/w=="}], "b": {"base64": "/g=="}}


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        (b"", {}),
        (b"ok", {}),
        (b"[]", {}),
        (b'{"ok": true}', {}),
        (b'{"failed": []}', {}),
        (b'{"failed": [0, 2]}', {0: REFUSED, 2: REFUSED}),
        (b'{"failed": [{"index": 1, "status": 422, "error": "no"}, 2]}', {1: 422, 2: REFUSED}),
        (b'{"failed": [{"index": 1}]}', {1: REFUSED}),
        (b'{"failed": [3]}', dict.fromkeys(range(3), REFUSED)),
        (b'{"failed": [true]}', dict.fromkeys(range(3), REFUSED)),
        (b'{"failed": [{"index": 1, "status": 200}]}', dict.fromkeys(range(3), REFUSED)),
        (b'{"failed": 1}', dict.fromkeys(range(3), REFUSED)),
        (b'{"failed": [{}]}', dict.fromkeys(range(3), REFUSED)),
    ],
)
def test_answer_names_those_that_were_not_taken(body: bytes, refused: dict[int, int]) -> None:
    assert refused_records((), body, 3) == refused


GZIPPED = gzip.compress(b'{"failed": [0]}')


@pytest.mark.parametrize(
    ("codings", "body", "refused"),
    [
        ([b"gzip"], GZIPPED, {0: REFUSED}),
        ([b"x-gzip"], GZIPPED, {0: REFUSED}),
        ([b"identity"], b'{"failed": [1]}', {1: REFUSED}),
        ([b"deflate"], zlib.compress(b'{"failed": [2]}'), {2: REFUSED}),
        ([b"deflate"], zlib.compress(b'{"failed": [2]}', wbits=-15), {2: REFUSED}),
        ([b"gzip, gzip"], gzip.compress(GZIPPED), {0: REFUSED}),
        ([b"gzip", b"gzip"], gzip.compress(GZIPPED), {0: REFUSED}),
        ([b"gzip"], gzip.compress(b""), {}),
        ([b"gzip"], b"", {}),
        ([b"gzip"], gzip.compress(b"o") + gzip.compress(b"k"), {}),
    ],
    ids=range(10),
)
def test_coded_answer_is_decoded(codings: list[bytes], body: bytes, refused: dict[int, int]) -> None:
    assert refused_records([(b"content-encoding", coding) for coding in codings], body, 3) == refused


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], GZIPPED),
        ([(b"content-encoding", b"br")], b"\x8b\x03\x80"),
        ([(b"content-encoding", b"gzip")], b'{"failed": [0]}'),
        ([(b"content-encoding", b"gzip")], GZIPPED[:-4]),
        ([(b"content-encoding", b"gzip, gzip, gzip, gzip")], GZIPPED),
        ([(b"content-encoding", b"gzip")], gzip.compress(b" " * 20_000_000)),
        ([], b'{"failed": [0'),
        ([], b"[0"),
        ([], b"\xef\xbb\xbf{"),
        ([], b"\xff\xfe"),
        ([], b"o\0k"),
        ([(b"content-type", b"application/problem+json")], b"failed"),
    ],
    ids=range(12),
)
def test_answer_that_may_name_refused_records_and_cannot_be_read_is_told(
    headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    with pytest.raises(UnreadableResponse):
        refused_records(headers, body, 3)


@fuzz
@given(
    st.lists(st.sampled_from([b"gzip", b"deflate", b"br", b"identity", b""]), max_size=3),
    st.binary(max_size=40) | st.just(b"[" * 100_000) | st.binary(max_size=40).map(gzip.compress),
)
def test_any_answer_is_understood_or_refuses(codings: list[bytes], body: bytes) -> None:
    try:
        refused = refused_records([(b"content-encoding", coding) for coding in codings], body, 3)
    except UnreadableResponse:
        return
    assert set(refused) <= {0, 1, 2}


@dataclass
class Answer:
    status: int = 200
    headers: RawHeaders = ()
    body: bytes = b""


@dataclass
class Call:
    headers: dict[bytes, bytes]
    records: list[dict[str, Any]]
    answer: asyncio.Future[Answer] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    @property
    def values(self) -> str:
        return "".join(record["value"] for record in self.records)

    def reply(self, status: int = 200, failed: list[Any] | None = None, coding: bytes = b"") -> None:
        body = b"" if failed is None else json.dumps({"failed": failed}).encode()
        headers = [(b"content-encoding", coding)] if coding else []
        self.answer.set_result(Answer(status, headers, gzip.compress(body) if coding == b"gzip" else body))


@dataclass
class Bench:
    """A webhook between test doubles; values are single letters."""

    webhook: BundlingWebhook
    calls: asyncio.Queue[Call]
    letters: asyncio.Queue[dict[str, Any]]
    partition: PartitionState = field(init=False)
    offset: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def hold(self) -> PartitionState:
        """Get the partition assigned anew."""
        self.offset = 0
        self.partition = PartitionState(PLACE, limit=100, targets=[0], changed=lambda _: self.changed.set(), start=0)
        return self.partition

    def accept(self, *records: str) -> None:
        """Pass in records, each as its key and its value."""
        for record in records:
            key, value = record[0], record[1]
            message = Message("orders", 0, self.offset, key.encode(), value.encode(), (), 0)
            self.offset += 1
            (share,) = self.partition.shares
            self.partition.take([message], share)
            self.webhook.accept(Delivery(message, self.partition, share))


@asynccontextmanager
async def bench(records: int = 10, wait: float = 0.0, size: int = 1000, **more: Any) -> AsyncIterator[Bench]:
    calls: asyncio.Queue[Call] = asyncio.Queue()
    letters: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    class Client(WebhookClient):
        async def answer(self, method: str, url: str, headers: dict[bytes, bytes], body: bytes) -> Answer:
            call = Call(headers, json.loads(body)["records"])
            calls.put_nowait(call)
            return await call.answer

    class Writer:
        async def send(
            self,
            topic: str,
            value: bytes | None,
            *,
            key: bytes | None = None,
            headers: Headers = (),
            placed_by: bytes | None = None,
        ) -> RecordPosition:
            letters.put_nowait(json.loads(value or b""))
            return RecordPosition(topic, 0, 0)

    options = WebhookOptions(
        topic="orders", url="http://api.plt.local/", **{"retry": RetryPolicy(attempts=3, delay=SOON), **more}
    )
    async with asyncio.timeout(10), anyio.create_task_group() as tasks:
        webhook = BundlingWebhook(
            options,
            BundleOptions(records=records, wait=wait, size=size),
            client=Client(),
            writer=Writer(),
            tasks=tasks,
            concurrency=1,
            breaker=TargetBreakers().of(options),
            dlq_format=DeadLetterFormat.ORIGINAL,
        )
        made = Bench(webhook, calls, letters)
        made.hold()
        yield made
        tasks.cancel_scope.cancel()


async def until_done(b: Bench, position: int) -> None:
    while b.partition.shares[0].position != position:
        b.changed.clear()
        await b.changed.wait()


pytestmark = pytest.mark.anyio


async def test_what_is_there_travels_together_up_to_the_limit() -> None:
    async with bench(records=3) as b:
        b.accept("1a", "2b", "3c", "4d")
        for values in ("abc", "d"):
            call = await b.calls.get()
            assert call.values == values
            call.reply()
        await until_done(b, 4)


async def test_size_is_a_limit_too() -> None:
    async with bench(size=3) as b:
        b.accept("1a", "2b", "3c")
        (await b.calls.get()).reply()
        assert (await b.calls.get()).values == "c"


async def test_record_waits_for_others() -> None:
    async with bench(records=3, wait=60) as b:
        b.accept("1a")
        await asyncio.sleep(0)
        b.accept("1b")
        await asyncio.sleep(0)
        assert b.calls.empty()
        b.accept("2c")
        assert (await b.calls.get()).values == "abc"


@pytest.mark.parametrize("how", ["time", "stop", "hold"])
async def test_waiting_ends(how: str) -> None:
    async with bench(records=3, wait=SOON if how == "time" else 60) as b:
        b.accept("1a")
        await asyncio.sleep(0)
        if how == "stop":
            b.webhook.stop()
        elif how == "hold":
            b.webhook.hold(PLACE)
        (await b.calls.get()).reply()
        await b.webhook.idle()
        await until_done(b, 1)


async def test_record_that_was_not_taken_comes_again_with_those_behind_it() -> None:
    async with bench() as b:
        b.accept("1a", "2b", "1c", "2d", "1e")
        call = await b.calls.get()
        assert call.values == "acebd"
        call.reply(failed=[1])
        again = await b.calls.get()
        assert again.values == "ce"
        assert [record["attempt"] for record in again.records] == [2, 1]
        again.reply()
        await until_done(b, 5)


async def test_order_of_a_partition_is_kept() -> None:
    async with bench(records=3, order=Order.PARTITION) as b:
        b.accept("1a", "2b", "3c", "4d")
        first = await b.calls.get()
        assert first.values == "abc"
        first.reply(failed=[0])
        second = await b.calls.get()
        assert second.values == "abc"
        second.reply()
        assert (await b.calls.get()).values == "d"


async def test_record_without_attempts_left_is_a_dead_letter_and_the_rest_goes_on() -> None:
    async with bench() as b:
        b.accept("1a", "1b")
        for attempt in range(3):
            call = await b.calls.get()
            assert call.values == "ab"
            assert [record["attempt"] for record in call.records] == [attempt + 1, 1]
            call.reply(failed=[{"index": 0, "status": 422}])
        letter = await b.letters.get()
        assert [error["statusCode"] for error in letter["errors"]] == [422, 422, 422]
        await until_done(b, 2)
        assert b.calls.empty()


async def test_answer_that_refuses_refuses_them_all() -> None:
    async with bench(retry=RetryPolicy(attempts=1)) as b:
        b.accept("1a", "2b")
        (await b.calls.get()).reply(503)
        assert {(await b.letters.get())["offset"] for _ in range(2)} == {"0", "1"}
        await until_done(b, 2)


@pytest.mark.parametrize(("coding", "again"), [(b"gzip", "a"), (b"br", "ab")])
async def test_coded_answer_is_read_or_takes_none(coding: bytes, again: str) -> None:
    # Two that are tried again may be due in different grains of the timers: a bundle waits for them, and for no more.
    async with bench(records=2, wait=60.0 if len(again) > 1 else 0.0) as b:
        b.accept("ka", "lb")
        (await b.calls.get()).reply(failed=[0], coding=coding)
        call = await b.calls.get()
        assert call.values == again
        call.reply()
        await until_done(b, 2)


async def test_dead_target_opens_the_breaker_once_per_request() -> None:
    policy = BreakerPolicy(failures=2, pause=SOON)
    async with bench(breaker=policy, retry=RetryPolicy(attempts=2, delay=SOON)) as b:
        b.accept("1a", "2b", "3c")
        for _ in range(10):
            call = await b.calls.get()
            assert all(record["attempt"] <= 2 for record in call.records)
            call.reply(503)
        assert b.letters.empty()


async def test_record_that_is_too_old_does_not_wait_for_a_dead_target() -> None:
    policy = BreakerPolicy(failures=1, pause=SOON)
    async with bench(breaker=policy, retry=RetryPolicy(attempts=2, delay=SOON, max_age=60.0)) as b:
        b.accept("1a", "2b")  # of 1970
        (await b.calls.get()).reply(503)
        letters = [await b.letters.get() for _ in range(2)]
        assert {(each["offset"], each["errors"][0]["statusCode"]) for each in letters} == {("0", 503), ("1", 503)}
        await until_done(b, 2)


async def test_records_of_a_lost_partition_do_not_count() -> None:
    async with bench() as b:
        b.accept("1a", "1b", "2c")
        call = await b.calls.get()
        old, b.partition.lost = b.partition, True
        b.webhook.drop(PLACE)
        b.hold()
        b.accept("1x")
        call.reply()
        again = await b.calls.get()
        assert again.values == "x"
        again.reply()
        await until_done(b, 1)
        assert old.shares[0].position == 0


async def test_request_is_signed_as_a_whole() -> None:
    async with bench(signing_keys=(SigningKey(asymmetric=False, secret=bytes(32)),), headers=((b"x", b"1"),)) as b:
        b.accept("1a", "2b")
        headers = (await b.calls.get()).headers
        assert headers[b"webhook-id"] == b"orders-0-0~2"
        assert headers[b"x-plt-kafka-hooks-records"] == b"2"
        assert (headers[b"content-type"], headers[b"x"]) == (b"application/json", b"1")
        assert headers[b"webhook-signature"].startswith(b"v1,")
        assert b"x-plt-kafka-hooks-attempt" not in headers
