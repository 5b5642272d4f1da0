"""Publishing: records, answers, and rejected requests."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from pywatt_kafka import (
    ConnectionState,
    ConnectionStatus,
    Headers,
    KafkaError,
    KafkaUnavailable,
    RecordPosition,
    RecordTooLarge,
    UnknownPartition,
)
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.publishing.publisher import OVERHEAD, Publisher
from pywatt_services.kafka_hooks.publishing.record_headers import RecordHeaders
from pywatt_services.kafka_hooks.publishing.schema_files import read_schema

CONNECTED = ConnectionStatus(ConnectionState.CONNECTED)
ARRAY = (b"content-type", b"application/vnd.pywatt.records+json; charset=utf-8")
LINES = (b"content-type", b"application/vnd.pywatt.records+ndjson")
SCHEMA = {"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}}}


@dataclass
class Written:
    """A record, and the means to complete its write."""

    value: bytes | None
    key: bytes | None
    headers: Headers
    partition: int | None
    done: Callable[[RecordPosition | KafkaError], None]


@dataclass
class Writer:
    """A producer that acknowledges when the test allows it."""

    status: ConnectionStatus = CONNECTED
    written: list[Written] = field(default_factory=list)

    def post(
        self,
        topic: str,
        value: bytes | None,
        done: Callable[[RecordPosition | KafkaError], None],
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        self.written.append(Written(value, key, headers, partition, done))

    def end(self, number: int, error: KafkaError | None = None) -> None:
        record = self.written[number]
        record.done(error or RecordPosition("orders", record.partition or 0, 100 + number))


class Waiting:
    """The client's side of one exchange."""

    def __init__(self) -> None:
        self.exchange = HooksExchange(self)
        self.answer: HttpResponse | None = None

    is_same_user = True

    def respond(self, response: HttpResponse) -> None:
        self.answer = response

    @property
    def status(self) -> int:
        assert self.answer is not None
        return self.answer.status

    @property
    def document(self) -> Any:
        assert self.answer is not None
        return json.loads(self.answer.body)

    @property
    def headers(self) -> dict[bytes, bytes]:
        assert self.answer is not None
        return dict(self.answer.headers)


class Desk:
    """A publisher of one topic, and its clients."""

    def __init__(self, **options: Any) -> None:
        self.writer = Writer()
        self.publisher = Publisher(self.writer, PublishOptions(topics=frozenset({"orders"}), **options))

    def post(
        self, body: bytes | list[Any] = b"{}", headers: Iterable[tuple[bytes, bytes]] = (), query: bytes = b""
    ) -> Waiting:
        waiting = Waiting()
        sent = json.dumps(body).encode() if isinstance(body, list) else body
        self.publisher.publish(
            "orders", Request("POST", "/topics/orders", query, list(headers), sent), waiting.exchange
        )
        return waiting


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        ([(b"x-plt-kafka-hooks-ack", b"true")], b"", 200),
        ([], b"a=b&ack=1", 200),
        ([(b"x-plt-kafka-hooks-ack", b"false")], b"ack=0", 202),
    ],
)
def test_place_of_the_record_is_told_when_it_is_asked_for(
    headers: list[tuple[bytes, bytes]], query: bytes, status: int
) -> None:
    desk = Desk()
    waiting = desk.post(headers=[*headers, (b"x-plt-kafka-hooks-partition", b"3")], query=query)
    assert waiting.answer is None, "an answer before the acknowledgement would be a promise"
    desk.writer.end(0)
    assert waiting.status == status
    if status == 200:
        assert waiting.document == {"topic": "orders", "partition": 3, "offset": 100}
    assert (desk.writer.written[0].partition, desk.writer.written[0].headers) == (3, [])


@pytest.mark.parametrize("partition", [b"-1", b"x", b"", b"1" * 20])
def test_partition_that_is_no_number(partition: bytes) -> None:
    assert Desk().post(headers=[(b"x-plt-kafka-hooks-partition", partition)]).status == 400


def test_partition_that_does_not_exist() -> None:
    desk = Desk()
    waiting = desk.post(headers=[(b"x-plt-kafka-hooks-partition", b"9")])
    desk.writer.end(0, UnknownPartition("topic orders has no partition 9"))
    assert (waiting.status, waiting.document["message"]) == (400, "topic orders has no partition 9")


def test_record_headers_have_content_type_first_and_no_secrets() -> None:
    request = [
        (b"host", b"localhost"),
        (b"authorization", b"secret"),
        (b"cookie", b"secret"),
        (b"x-api-key", b"secret"),
        (b"x-plt-kafka-hooks-key", b"k"),
        (b"x-plt-kafka-hooks-ack", b"1"),
        (b"content-type", b"application/json"),
        (b"user-agent", b"curl"),
    ]
    for _ in range(2):  # the second time names are known
        assert RecordHeaders(never=["x-api-key"]).of(request) == [
            ("content-type", b"application/json"),
            ("host", b"localhost"),
            ("user-agent", b"curl"),
        ]
    some = RecordHeaders(["content-type", "x-*"], never=["x-api-key"])
    assert some.of([*request, (b"x-tenant", b"a")]) == [("content-type", b"application/json"), ("x-tenant", b"a")]


@pytest.mark.parametrize("kind", [ARRAY, LINES])
def test_batch_is_answered_when_every_record_is_acknowledged(kind: tuple[bytes, bytes]) -> None:
    desk = Desk()
    entries: list[Any] = [
        {"value": {"a": "ä"}, "key": "k", "headers": {"X-A": "1"}, "partition": 2},
        {"text": ""},
        {"base64": "/w==", "headers": {"content-type": "x/y"}, "keyBase64": "AA=="},
        {"value": None, "key": "k"},
    ]
    body = b"\n".join(json.dumps(entry).encode() for entry in entries) + b"\n\n" if kind is LINES else entries
    waiting = desk.post(body, [kind, (b"x-not-in-batches", b"1")])
    assert [(each.value, each.key, each.headers, each.partition) for each in desk.writer.written] == [
        ('{"a":"ä"}'.encode(), b"k", [("content-type", b"application/json"), ("x-a", b"1")], 2),
        (b"", None, [("content-type", b"text/plain; charset=utf-8")], None),
        (b"\xff", b"\0", [("content-type", b"x/y")], None),
        (None, b"k", [], None),
    ]
    for number in (3, 1, 0):
        desk.writer.end(number)
    assert waiting.answer is None
    desk.writer.end(2)
    assert waiting.status == 200
    assert waiting.document == {
        "topic": "orders",
        "records": [
            {"partition": 2, "offset": 100},
            {"partition": 0, "offset": 101},
            {"partition": 0, "offset": 102},
            {"partition": 0, "offset": 103},
        ],
        "failed": 0,
    }


def test_headers_of_a_batch_entry_follow_the_same_rule_as_those_of_a_request() -> None:
    given = {
        "Authorization": "a",
        "x-api-key": "a",
        "Connection": "a",
        "x-plt-kafka-hooks-key": "a",
        "content-length": "1",
    }
    entry = {"text": "a", "headers": {**given, "x-tenant": "é", "other": "b"}}
    writer = Writer()
    for allowed, also in ((None, [("other", b"b")]), (("content-type", "x-*"), [])):
        options = PublishOptions(topics=frozenset({"orders"}), headers=allowed)
        publisher = Publisher(writer, options, secret_headers=("x-api-key",))
        body = json.dumps([entry]).encode()
        publisher.publish("orders", Request("POST", "/topics/orders", b"", [ARRAY], body), Waiting().exchange)
        expected = [("content-type", b"text/plain; charset=utf-8"), ("x-tenant", "é".encode()), *also]
        assert writer.written.pop().headers == expected


def test_batch_that_is_written_in_part() -> None:
    desk = Desk()
    waiting = desk.post([{"value": 1}, {"value": 2}], [ARRAY])
    desk.writer.end(0, RecordTooLarge("too large"))
    desk.writer.end(1)
    assert waiting.status == 207
    assert waiting.document["records"] == [
        {"statusCode": 413, "message": "too large"},
        {"partition": 0, "offset": 101},
    ]
    assert waiting.document["failed"] == 1


def test_batch_that_is_not_written_at_all() -> None:
    desk = Desk()
    waiting = desk.post([{"value": 1}, {"value": 2}], [ARRAY])
    for number in range(2):
        desk.writer.end(number, KafkaUnavailable("no acknowledgement"))
    assert (waiting.status, waiting.headers[b"retry-after"], waiting.document["failed"]) == (503, b"1", 2)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "the body is not JSON"),
        (b"{}", "the body is not a JSON array"),
        (b"[]", "the body has no records"),
        (b"[NaN]", "NaN is no JSON value"),
        (b"[1]", "record 0 is not a JSON object"),
        (b'[{"value":1},{"value":1,"text":"a"}]', "record 1 needs one of"),
        (b'[{"value":1,"vlaue":2}]', "unknown field 'vlaue'"),
        (b'[{"value":null}]', "needs a key"),
        (b'[{"text":1}]', "text is not a string"),
        (b'[{"text":"\\ud800"}]', "half a surrogate pair"),
        (b'[{"base64":"!"}]', "base64 is not valid base64"),
        (b'[{"value":1,"key":1}]', "key is not a string"),
        (b'[{"value":1,"key":"a","keyBase64":"AA=="}]', "both key and keyBase64"),
        (b'[{"value":1,"headers":{"a":1}}]', "headers is not an object with strings"),
        (b'[{"value":1,"headers":{"\\ud800":"a"}}]', "half a surrogate pair"),
        (b'[{"value":1,"partition":true}]', "partition is not a number"),
        (b"[" * 100_000, "the body is not JSON"),
    ],
)
def test_batch_that_makes_no_sense_is_not_written_in_any_part(body: bytes, message: str) -> None:
    desk = Desk()
    waiting = desk.post(body, [ARRAY])
    assert waiting.status == 400
    assert message in waiting.document["message"]
    assert desk.writer.written == []


def test_body_has_to_satisfy_the_schema_of_its_topic() -> None:
    desk = Desk(schemas={"orders": read_schema(SCHEMA, Path())})
    for body, path in ((b'{"id":"x"}', "$.id"), (b"[1]", "$"), (b"{", "$"), (b"", "$")):
        waiting = desk.post(body)
        assert (waiting.status, [error["path"] for error in waiting.document["errors"]]) == (400, [path])
    waiting = desk.post([{"value": {"id": 1}}, {"value": {}}, {"text": "{"}], [ARRAY])
    assert [(error["record"], error["path"]) for error in waiting.document["errors"]] == [(1, "$"), (2, "$")]
    assert desk.writer.written == []
    desk.post(b'{"id":1}')
    desk.post(b"", [(b"x-plt-kafka-hooks-key", b"k")])  # a tombstone has nothing to check
    desk.post([{"value": {"id": 1}}, {"value": None, "key": "k"}], [ARRAY])
    assert len(desk.writer.written) == 4


IDEMPOTENT = (b"idempotency-key", b"once")


GZIP = (b"content-encoding", b"gzip")


def test_coded_batch_is_decoded() -> None:
    desk = Desk()
    desk.post(gzip.compress(b'[{"value": 1, "key": "a"}, {"text": "x"}]'), [ARRAY, GZIP])
    assert [record.value for record in desk.writer.written] == [b"1", b"x"]


@pytest.mark.parametrize(
    ("body", "coding", "status"),
    [
        (b"[]", b"br", 415),
        (gzip.compress(b"[]"), b"gzip, zstd", 415),
        (b'[{"text": "x"}]', b"gzip", 400),
        (gzip.compress(b'[{"text": "x"}]')[:-3], b"gzip", 400),
        (gzip.compress(b" " * 1001), b"gzip", 413),
    ],
    ids=range(5),
)
def test_coded_batch_that_cannot_be_read_is_refused(body: bytes, coding: bytes, status: int) -> None:
    desk = Desk(body_limit=1000)
    waiting = desk.post(body, [ARRAY, (b"content-encoding", coding)])
    assert (waiting.status, desk.writer.written) == (status, [])
    assert (waiting.headers.get(b"accept-encoding") == b"gzip, deflate") is (status == 415)


def test_coded_record_stays_coded_and_is_checked_without_its_coding() -> None:
    schema = read_schema({"type": "object", "required": ["id"]}, Path())
    desk = Desk(schemas={"orders": schema})
    body = gzip.compress(b'{"id": 1}')
    desk.post(body, [GZIP])
    (record,) = desk.writer.written
    assert (record.value, record.headers) == (body, [("content-encoding", b"gzip")])
    assert desk.post(gzip.compress(b"{}"), [GZIP]).document["errors"][0]["path"] == "$"
    assert desk.post(body, [(b"content-encoding", b"br")]).status == 415
    assert len(desk.writer.written) == 1


def test_same_request_with_an_idempotency_key_is_written_once() -> None:
    desk = Desk()
    first, meanwhile = (desk.post(b"1", [IDEMPOTENT], b"ack=1") for _ in range(2))
    desk.writer.end(0)
    later = desk.post(b"1", [IDEMPOTENT], b"ack=1")
    assert len(desk.writer.written) == 1
    assert first.document == meanwhile.document == later.document == {"topic": "orders", "partition": 0, "offset": 100}
    assert b"idempotent-replayed" not in first.headers
    assert meanwhile.headers[b"idempotent-replayed"] == later.headers[b"idempotent-replayed"] == b"true"


def test_idempotency_key_of_a_client_that_left_is_kept() -> None:
    desk = Desk()
    desk.post(b"1", [IDEMPOTENT]).exchange.abandon()
    desk.writer.end(0)
    assert desk.post(b"1", [IDEMPOTENT]).status == 202
    assert len(desk.writer.written) == 1


def test_other_request_with_the_same_idempotency_key_is_refused() -> None:
    desk = Desk()
    desk.post(b"1", [IDEMPOTENT])
    assert desk.post(b"2", [IDEMPOTENT]).status == 422
    assert desk.post(b"1", [IDEMPOTENT, (b"x-plt-kafka-hooks-key", b"k")]).status == 422
    assert desk.post(b"1", [(b"idempotency-key", b"k" * 256)]).status == 400


def test_request_that_failed_may_be_tried_again_with_its_idempotency_key() -> None:
    desk = Desk()
    first = desk.post(b"1", [IDEMPOTENT])
    desk.writer.end(0, KafkaUnavailable("no acknowledgement"))
    again = desk.post(b"1", [IDEMPOTENT])
    desk.writer.end(1)
    assert (first.status, again.status) == (503, 202)
    assert desk.post(b"{", [IDEMPOTENT, ARRAY]).status == 422  # and a refused one is not remembered:
    other = (b"idempotency-key", b"other")
    assert desk.post(b"{", [other, ARRAY]).status == 400
    assert desk.post([{"value": 1}], [other, ARRAY]).answer is None


def test_clients_have_to_come_back_when_too_much_waits_for_the_brokers() -> None:
    desk = Desk(buffer_limit=2 * (10 + OVERHEAD))
    first, second, third = (desk.post(b"0123456789") for _ in range(3))
    assert (third.status, third.headers[b"retry-after"]) == (429, b"1")
    desk.writer.end(0)
    assert desk.post(b"0123456789").answer is None
    desk.writer.end(1, KafkaUnavailable("no acknowledgement"))
    desk.writer.end(2)
    assert (first.status, second.status, desk.publisher.buffered) == (202, 503, 0)


def test_answer_of_an_exchange_is_given_once() -> None:
    waiting = Waiting()
    waiting.exchange.respond(HttpResponse(200))
    waiting.exchange.respond(HttpResponse(500))
    assert waiting.status == 200
    assert not waiting.exchange.open
