"""Dead letters contain the full record and the reasons, in the original's format or the guide's."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka import Message
from pywatt_kafka.dlq.codec import KEPT_BODY, DeadLetterFormat
from pywatt_services.kafka_hooks.delivering.dead_letter import dead_letter
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.target_name import TargetName

NOW = 1_700_000_000.5
REFUSED = Attempt(
    number=1,
    requested_at=1_690_000_000.25,
    status=500,
    headers=[(b"content-type", b"application/json")],
    body=b'{"message":"always fails"}',
)
TARGET = TargetName("http://api.plt.local/orders", 0xABC)
AWAY = Attempt(number=2, requested_at=1_690_000_001.0, status=None, cause="cannot connect (ECONNREFUSED)")
MESSAGE = Message("orders", 3, 7, b"k9", b"\x00value", (("a", b"1"), ("a", b"2"), ("b", b"\xff")), 1_680_000_000_123)


def letter(
    message: Message = MESSAGE, form: DeadLetterFormat = DeadLetterFormat.ORIGINAL, *, whole: bool = True
) -> dict[str, Any]:
    made = dead_letter(message, [REFUSED, AWAY], form, attempts=2, now=NOW, target=TARGET, whole=whole)
    document: dict[str, Any] = json.loads(made)
    return document


def test_original_shape() -> None:
    assert letter() == {
        "key": "k9",
        "value": base64.b64encode(b"\x00value").decode(),
        "headers": {"a": ["1", "2"], "b": {"base64": "/w=="}},
        "topic": "orders",
        "partition": 3,
        "offset": "7",
        "timestamp": "2023-03-28T10:40:00.123Z",
        "errors": [
            {
                "statusCode": 500,
                "error": "Internal Server Error",
                "message": "the webhook answered 500 Internal Server Error",
                "requestedAt": "2023-07-22T04:26:40.250Z",
                "attempt": 0,
                "headers": {"content-type": "application/json"},
                "body": {"message": "always fails"},
            },
            {
                "statusCode": 499,
                "error": "Network Error",
                "message": "cannot connect (ECONNREFUSED)",
                "requestedAt": "2023-07-22T04:26:41.000Z",
                "attempt": 1,
            },
        ],
        "retries": 2,
        "deadLetteredAt": "2023-11-14T22:13:20.500Z",
        "target": "http://api.plt.local/orders",
        "targetId": "00000abc",
        "webhookId": "orders-3-7",
    }


def test_simple_shape() -> None:
    assert letter(form=DeadLetterFormat.SIMPLE) == {
        "originalTopic": "orders",
        "originalMessage": base64.b64encode(b"\x00value").decode(),
        "error": "cannot connect (ECONNREFUSED)",
        "retryCount": 2,
        "timestamp": "2023-11-14T22:13:20.500Z",
        "originalKey": "k9",
        "originalHeaders": {"a": ["1", "2"], "b": {"base64": "/w=="}},
        "originalPartition": 3,
        "originalOffset": "7",
        "originalTimestamp": "2023-03-28T10:40:00.123Z",
        "target": "http://api.plt.local/orders",
        "targetId": "00000abc",
        "webhookId": "orders-3-7",
    }


@pytest.mark.parametrize("form", DeadLetterFormat)
def test_letter_that_would_be_too_large_says_where_the_record_is(form: DeadLetterFormat) -> None:
    huge = Message("orders", 3, 7, b"k" * 9999, b"v" * 9999, (("h", b"x" * 9999),), 0)
    document = letter(huge, form, whole=False)
    assert document["omitted"] == ["key", "value", "headers"]
    assert len(json.dumps(document)) < 1000


def test_key_is_left_out_when_there_is_none_and_in_base64_when_it_is_no_text() -> None:
    assert "key" not in letter(Message("t", 0, 0, None, b"", (), 0))
    binary = letter(Message("t", 0, 0, b"\xff", b"", (), 0))
    assert (binary["key"], binary["keyEncoding"]) == ("/w==", "base64")


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        (b"plain", "plain"),
        (b"[" * 4000, "[" * 4000),
        (b"NaN", "NaN"),
        (b"\xff", "�"),
        (b"9" * (KEPT_BODY + 1), "9" * KEPT_BODY),
        (b"[1]", [1]),
    ],
)
def test_answer_is_shown_as_json_only_if_it_is(body: bytes, shown: Any) -> None:
    attempt = Attempt(number=1, requested_at=0, status=500, headers=[(b"content-type", b"text/json")], body=body)
    made = dead_letter(MESSAGE, [attempt], DeadLetterFormat.ORIGINAL, attempts=1, now=NOW)
    assert json.loads(made)["errors"][0]["body"] == shown


@given(
    st.builds(
        Message,
        topic=st.text(max_size=5),
        partition=st.integers(0, 9),
        offset=st.integers(0, 2**63 - 1),
        key=st.none() | st.binary(max_size=9),
        value=st.none() | st.binary(max_size=9),
        headers=st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5))).map(tuple),
        timestamp=st.integers(-(2**63), 2**63 - 1),
    ),
    st.sampled_from(DeadLetterFormat),
)
def test_any_record_becomes_a_letter(message: Message, form: DeadLetterFormat) -> None:
    document = letter(message, form)
    value = document["value" if form is DeadLetterFormat.ORIGINAL else "originalMessage"]
    assert (None if value is None else base64.b64decode(value)) == message.value
