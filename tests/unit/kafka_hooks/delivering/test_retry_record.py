"""Conversion of a record to a retry record and back without loss."""

from __future__ import annotations

import json

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka import Message
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_services.kafka_hooks.delivering.dead_letter import dead_letter
from pywatt_services.kafka_hooks.delivering.retry_record import (
    PREFIX,
    TOPIC,
    read_retry_record,
    retry_headers,
    retry_value,
)
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.request import RequestMaker

FAILURES = (
    Attempt(number=1, requested_at=1.5, status=500),
    Attempt(number=2, requested_at=2.5, status=None, cause="nobody there"),
)
HEADERS = st.lists(
    st.tuples(st.sampled_from(["a", "b", TOPIC, f"{PREFIX}x"]), st.none() | st.binary(max_size=5)), max_size=5
)


def stand_in(message: Message) -> Message:
    headers = retry_headers(message, attempts=2, due=1234.567, failures=FAILURES, target_id=0xABC)
    return Message("orders-retry", 3, 99, message.key, retry_value(message), tuple(headers), 5)


ADDED = [name for name, _ in stand_in(Message("orders", 1, 7, b"k", b"v", (), 0)).headers]
ANY_TEXT = st.sampled_from(
    ["0", "-1", "9" * 30, "9" * 5000, "1e5", "", "x", "٣", "ffffffff", "null", "[]", "[[]]"]
) | st.builds(
    lambda attempt: json.dumps([attempt]),
    st.fixed_dictionaries(
        {
            name: st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just([])
            for name in ("attempt", "at", "status", "cause")
        }
    ),
)


@fuzz
@given(st.dictionaries(st.sampled_from(ADDED), ANY_TEXT, max_size=4))
def test_whatever_a_record_of_a_retry_topic_says_can_be_worked_with(lies: dict[str, str]) -> None:
    record = stand_in(Message("orders", 1, 7, b"k", b"v", (), 0))
    headers = tuple((name, lies[name].encode() if name in lies else value) for name, value in record.headers)
    found = read_retry_record(record._replace(headers=headers))
    if found is None:
        return
    message, failures = found.message, found.failures
    assert 0 <= found.due < 2**63
    assert message.timestamp / 1000 < 2**63
    for form in DeadLetterFormat:
        dead_letter(message, failures, form, attempts=found.attempts, now=found.due)
    RequestMaker(WebhookOptions(topic="orders", url="http://api.plt.local/")).make(
        message, found.attempts + 1, found.due
    )
    more = retry_headers(
        message, attempts=found.attempts, due=found.due, failures=failures, target_id=found.target_id or 0
    )
    assert read_retry_record(record._replace(headers=tuple(more))) is not None


def test_record_without_a_time_of_its_own_stays_as_old_as_it_is() -> None:
    message = Message("orders", 1, 7, b"k", b"v", (), -1)
    headers = retry_headers(message, attempts=1, due=1.0, failures=(), target_id=1, read_at=1_000.5)
    found = read_retry_record(Message("orders-retry", 0, 0, b"k", b"v", tuple(headers), 5))
    assert found is not None
    assert (found.message, found.read_at) == (message, 1_000.5)


@given(st.none() | st.binary(max_size=5), st.none() | st.binary(max_size=5), HEADERS)
def test_the_record_comes_back_as_it_was(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    message = Message("orders", 1, 7, key, value, tuple(headers), 1_700_000_000_000)
    record = stand_in(message)
    assert (record.key, record.value) != (None, None)
    found = read_retry_record(record)
    assert found is not None
    assert found.message == message
    assert (found.attempts, found.due, found.failures, found.target_id) == (2, 1234.567, FAILURES, 0xABC)


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("a", b"b"),),
        ((TOPIC, b"orders"),),
        ((TOPIC, None),),
        (*stand_in(Message("t", 0, 0, b"k", b"v", (), 0)).headers, ("a", b"b")),
        tuple(
            (name, b"x" if name.endswith("offset") else value)
            for name, value in stand_in(Message("t", 0, 0, b"k", b"v", (), 0)).headers
        ),
        tuple(
            (name, b"[{}]" if name.endswith("errors") else value)
            for name, value in stand_in(Message("t", 0, 0, b"k", b"v", (), 0)).headers
        ),
    ],
)
def test_records_of_others(headers: tuple[tuple[str, bytes | None], ...]) -> None:
    assert read_retry_record(Message("orders-retry", 0, 0, b"k", b"v", headers, 0)) is None
