"""Any answer of a target, down to the bytes, delivers the record or makes one dead letter, and ends nothing."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from harness.answering_client import AnsweringClient
from harness.fuzz import fuzz
from hypothesis import example, given
from hypothesis import strategies as st

from pywatt.circuit_breaker import BreakerPolicy
from pywatt.mesh.limits import MeshLimits
from pywatt_kafka import Headers, Message, RecordPosition, TopicPartition
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.partition_state import PartitionState
from pywatt_services.kafka_hooks.delivering.bundling import BundlingWebhook
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreakers
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.bundle import BundleOptions
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy

PLACE = TopicPartition("orders", 0)
FAR = b"Mon, 01 Jan 2024 00:00:00 +99999999999999999999"

RETRY_AFTER = (
    st.sampled_from([FAR, b"9" * 400, b"-1", b"1e400", b"NaN", b"Mon, 99 Jan 99999 99:99:99 GMT", b"\xff", b""])
    | st.integers().map(lambda number: b"%d" % number)
    | st.builds(
        b"%b, %d %b %d %d:%d:%d %b".__mod__,
        st.tuples(
            st.sampled_from([b"Mon", b"", b"Mond\xe4y"]),
            st.integers(-1, 10**9),
            st.sampled_from([b"Jan", b"Foo", b""]),
            st.integers(-1, 10**9),
            st.integers(-1, 10**9),
            st.integers(0, 61),
            st.integers(0, 61),
            st.sampled_from([b"GMT", b"+0000", b"-9999", b"+999999999", b"", b"(a"]),
        ),
    )
    | st.binary(max_size=40)
)
NAMES = st.sampled_from(
    [b"Retry-After", b"Content-Type", b"Content-Encoding", b"Content-Length", b"Transfer-Encoding", b"Connection",
     b"Upgrade", b"Trailer", b"Date", b"X-Odd"]
)  # fmt: skip
VALUES = RETRY_AFTER | st.sampled_from(
    [
        b"application/json",
        b"gzip",
        b"br, gzip",
        b"chunked",
        b"gzip, chunked",
        b"close",
        b"keep-alive",
        b"websocket",
        b"2",
        b"99999999999999999999",
    ]
)
BODIES = st.binary(max_size=60) | st.sampled_from(
    [b"", b"ok", b'{"failed":[0]}', b'{"failed":[' + b"9" * 3000 + b"]}", b"[" * 2000 + b"]" * 2000,
     b'{"a":' * 700 + b"1" + b"}" * 700, b'{"failed": {"0": 1}}', b"\x1f\x8b\x08", b"2\r\n{}\r\n0\r\n\r\n"]
)  # fmt: skip


@st.composite
def answers(draw: st.DrawFn) -> list[bytes]:
    """A plausible answer, in pieces."""
    status = draw(st.sampled_from([200, 204, 302, 408, 429, 500, 503]) | st.integers(100, 999))
    fields = draw(st.lists(st.tuples(NAMES, VALUES), max_size=4))
    body = draw(BODIES)
    if draw(st.booleans()):
        fields.append((b"Content-Length", b"%d" % len(body)))
    end = draw(st.sampled_from([b"\r\n", b"\r\n", b"\n"]))
    line = b"HTTP/1.1 %d Odd" % status + end
    data = line + b"".join(b"%b: %b%b" % (name, value, end) for name, value in fields) + end + body
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(data)))
        data = data[:at] + draw(st.binary(max_size=5)) + data[at + draw(st.integers(0, 5)) :]
    cut = draw(st.integers(0, len(data)))
    return [piece for piece in (data[:cut], data[cut:]) if piece]


@dataclass
class Writer:
    letters: list[dict[str, Any]] = field(default_factory=list)

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        headers: Headers = (),
        placed_by: bytes | None = None,
    ) -> RecordPosition:
        self.letters.append(json.loads(value or b""))
        return RecordPosition(topic, 0, 0)


async def outcome_of(given: Sequence[Sequence[bytes]], **more: Any) -> list[dict[str, Any]]:
    """Deliver two records to a target with this answer; return the dead letters once both are done."""
    options: dict[str, Any] = {"retry": RetryPolicy(attempts=2, delay=0.001, respect_retry_after=False), **more}
    connected = options.pop("connected", True)
    bundle = BundleOptions(records=2, wait=0.0) if options.pop("bundled", False) else None
    entry = WebhookOptions(topic="orders", url="http://api.plt.local/orders", dlq="dead", bundle=bundle, **options)
    wrong: list[dict[str, Any]] = []
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    loop.set_exception_handler(lambda _, context: wrong.append(context))
    writer, done = Writer(), asyncio.Event()
    async with (
        asyncio.timeout(20),
        AnsweringClient(given, connected=connected, limits=MeshLimits(response_body=5000)) as client,
        anyio.create_task_group() as tasks,
    ):
        settings: dict[str, Any] = {
            "client": client, "writer": writer, "tasks": tasks, "concurrency": 10,
            "dlq_format": DeadLetterFormat.ORIGINAL, "breaker": TargetBreakers().of(entry),
        }  # fmt: skip
        webhook = Webhook(entry, **settings) if bundle is None else BundlingWebhook(entry, bundle, **settings)
        partition = PartitionState(PLACE, limit=100, targets=[0], changed=lambda _: done.set(), start=0)
        (share,) = partition.shares
        messages = [Message("orders", 0, offset, b"k%d" % offset, b"v", (), 0) for offset in range(2)]
        for message in partition.take(messages, share):
            webhook.accept(Delivery(message, partition, share))
        while share.position != 2:
            done.clear()
            await done.wait()
        webhook.break_off()
        tasks.cancel_scope.cancel()
    loop.set_exception_handler(before)
    assert not wrong
    return writer.letters


@fuzz
@given(
    st.lists(answers() | st.binary(min_size=1, max_size=80).map(lambda data: [data]), min_size=1, max_size=4),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
@example([[b"HTTP/1.1 503 Odd\r\nRetry-After: " + FAR + b"\r\nContent-Length: 0\r\n\r\n"]], True, False, True)
@example([[b"HTTP/1.1 503 Odd\r\nRetry-After: " + FAR + b"\r\nContent-Length: 0\r\n\r\n"]], True, True, False)
def test_any_answer_ends_in_a_delivery_or_in_one_dead_letter(
    given: list[list[bytes]], bundled: bool, breaker: bool, connected: bool
) -> None:
    more: dict[str, Any] = {}
    if breaker:  # what does not count is tried again while the record is young: this one is too old from the first on
        more["breaker"] = BreakerPolicy(failures=4, pause=0.001)
        more["retry"] = RetryPolicy(attempts=2, delay=0.001, respect_retry_after=True, max_age=0.001)
    logging.disable(logging.CRITICAL)
    try:
        letters = asyncio.run(outcome_of(given, bundled=bundled, connected=connected, **more))
    finally:
        logging.disable(logging.NOTSET)
    offsets = [letter["offset"] for letter in letters]
    assert len(offsets) == len(set(offsets)) <= 2


@pytest.mark.anyio
@pytest.mark.parametrize("connected", [True, False])
@pytest.mark.parametrize("status", [200, 503])
@pytest.mark.parametrize(
    "rest",
    [
        b" OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok",
        b" OK\ncontent-length: 2\r\n\r\nok",
        b"\n\nok",
        b" OK\r\ncontent-length: 6000\r\n\r\n" + b"v" * 6000,
        b" OK\r\n\r\n" + b"v" * 6000,
        b" OK\r\ntransfer-encoding: chunked\r\n\r\nnonsense\r\n",
    ],
    ids=range(6),
)
async def test_status_counts_whatever_follows_it_but_says_nothing_of_a_bundle(
    status: int, rest: bytes, connected: bool, caplog: pytest.LogCaptureFixture
) -> None:
    answer = [[b"HTTP/1.1 %d" % status + rest]]
    alone = await outcome_of(answer, connected=connected)
    assert [letter["errors"][-1]["statusCode"] for letter in alone] == ([] if status == 200 else [503, 503])
    assert f"http://api.plt.local/orders answers {status}, which counts, but: " in caplog.text
    together = await outcome_of(answer, bundled=True)
    assert [letter["errors"][-1]["statusCode"] for letter in together] == [499 if status == 200 else 503] * 2


@pytest.mark.anyio
async def test_answer_that_breaks_off_is_none() -> None:
    letters = await outcome_of([[b"HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\nok"]])
    assert [letter["errors"][-1]["statusCode"] for letter in letters] == [499, 499]


@pytest.mark.anyio
async def test_mistake_of_ours_in_reading_an_answer_makes_a_failed_attempt(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> float:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("pywatt_services.kafka_hooks.delivering.target_caller.retry_after", broken)
    retry_later = b"HTTP/1.1 503 Odd\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
    letters = await outcome_of([[retry_later]])
    assert [len(letter["errors"]) for letter in letters] == [2, 2]
    assert "the answer cannot be read: a mistake of ours" in letters[0]["errors"][0]["message"]
    assert caplog.text.count("makes a failed attempt") == 4


@pytest.mark.anyio
async def test_attempts_keep_little_of_long_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Attempt] = []
    original = Delivery.failed

    def failed(self: Delivery, attempt: Attempt) -> None:
        kept.append(attempt)
        original(self, attempt)

    monkeypatch.setattr(Delivery, "failed", failed)
    fields = b"".join(b"X-%d: %b\r\n" % (number, b"v" * 1000) for number in range(60))
    await outcome_of([[b"HTTP/1.1 500 Odd\r\n" + fields + b"Content-Length: 50000\r\n\r\n" + b"b" * 50_000]])
    sizes = [(sum(len(n) + len(v) for n, v in each.headers), len(each.body)) for each in kept]
    assert len(sizes) == 4
    assert all(headers <= 8192 and body <= 4097 for headers, body in sizes)
