"""Dead letters are read as written, in both formats; redriven letters are recorded exactly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka import Message
from pywatt_kafka.dlq.codec import DeadLetterFormat, decode
from pywatt_kafka.dlq.dead_letter import Filter, NotADeadLetter
from pywatt_kafka.dlq.redriven_offsets import RedrivenOffsets
from pywatt_services.kafka_hooks.delivering.dead_letter import dead_letter
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt

NOW = 1_700_000_000.5
TEXT = st.text(st.characters(codec="utf-8"), max_size=5)


def record(value: bytes | None) -> Message:
    return Message("dlq", 2, 9, None, value, (), 1_600_000_000_000)


@given(
    st.builds(
        Message,
        topic=TEXT,
        partition=st.integers(0, 9),
        offset=st.integers(0, 2**63 - 1),
        key=st.none() | st.binary(max_size=9),
        value=st.none() | st.binary(max_size=9),
        headers=st.lists(st.tuples(TEXT, st.none() | st.binary(max_size=5))).map(tuple),
        timestamp=st.integers(0, 2**40),
    ),
    st.sampled_from(DeadLetterFormat),
)
def test_record_comes_out_of_a_letter_as_it_went_in(message: Message, form: DeadLetterFormat) -> None:
    failure = Attempt(number=3, requested_at=NOW, status=503)
    letter = decode(record(dead_letter(message, [failure], form, attempts=3, now=NOW)))
    assert (letter.partition, letter.offset, letter.since, letter.attempts) == (2, 9, NOW, 3)
    assert (letter.topic, letter.origin_partition, letter.origin_offset) == (
        message.topic,
        message.partition,
        message.offset,
    )
    assert (letter.key, letter.value) == (message.key, message.value)
    # Headers of one name stay in order; of different names, their order was never told.
    assert sorted(letter.headers, key=lambda header: header[0]) == sorted(message.headers, key=lambda header: header[0])
    assert "503" in letter.error
    assert letter.status == (503 if form is DeadLetterFormat.ORIGINAL else None)
    assert not letter.omitted


@pytest.mark.parametrize("form", DeadLetterFormat)
def test_letter_without_its_record_says_so(form: DeadLetterFormat) -> None:
    message = Message("orders", 1, 7, b"k", b"v", (), 0)
    letter = decode(record(dead_letter(message, [], form, attempts=3, now=NOW, whole=False)))
    assert letter.omitted
    assert (letter.key, letter.value, letter.origin_offset) == (None, None, 7)


def test_letters_of_the_original_are_understood() -> None:
    error = {"message": "Webhook replied with an error", "statusCode": 500, "attempt": 0}
    written = {
        "key": "k9", "value": "AHY=", "headers": {}, "topic": "failing", "partition": 0, "offset": "3",
        "errors": [error], "retries": 2,
    }  # fmt: skip
    letter = decode(record(json.dumps(written).encode()))
    assert (letter.key, letter.value, letter.since) == (b"k9", b"\0v", 1_600_000_000)
    guide = {"originalTopic": "orders", "originalMessage": "eA==", "error": "Connection refused", "retryCount": 3}
    letter = decode(record(json.dumps({**guide, "timestamp": "2024-01-15T10:30:00Z"}).encode()))
    assert (letter.topic, letter.key, letter.value, letter.since) == ("orders", None, b"x", 1_705_314_600)


@pytest.mark.parametrize(
    "value",
    [None, b"", b"x", b"[]", b"{}", b"1", b'{"topic":"a"}', b'{"topic":"a","value":"!"}', b"[" * 100_000, b"\xff",
     b'{"topic":"a","value":"","headers":[1]}', b'{"topic":"a","value":"","errors":[1]}'],
)  # fmt: skip
def test_what_is_no_letter(value: bytes | None) -> None:
    with pytest.raises(NotADeadLetter):
        decode(record(value))


@pytest.mark.parametrize(
    ("conditions", "meant"),
    [
        ({}, True),
        ({"topic": "orders"}, True),
        ({"topic": "other"}, False),
        ({"error": "INTERNAL"}, True),
        ({"error": "500"}, True),
        ({"error": "50"}, True),
        ({"error": "refused"}, False),
        ({"key": b"k"}, True),
        ({"key": b""}, False),
        ({"older_than": 9.0}, True),
        ({"older_than": 10.0}, False),
        ({"newer_than": 11.0, "topic": "orders"}, True),
        ({"newer_than": 10.0}, False),
        ({"place": (2, 9)}, True),
        ({"place": (2, 8)}, False),
    ],
)
def test_filter(conditions: dict[str, Any], meant: bool) -> None:
    failure = Attempt(number=1, requested_at=NOW, status=500)
    message = Message("orders", 1, 7, b"k", b"v", (), 0)
    letter = decode(record(dead_letter(message, [failure], DeadLetterFormat.ORIGINAL, attempts=1, now=NOW)))
    assert Filter(**conditions).accepts(letter, NOW + 10) is meant


@given(st.integers(0, 20), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 3)), max_size=30))
def test_redriven_offsets_are_a_set(position: int, added: list[tuple[int, int]]) -> None:
    redriven, expected = RedrivenOffsets(position), set(range(position))
    for first, more in added:
        redriven.add(first, first + more)
        expected |= set(range(first, first + more + 1))
        again = RedrivenOffsets.parse(redriven.position, redriven.note)
        for known in (redriven, again):
            assert {offset for offset in range(100) if offset in known} == expected
        assert redriven.position == min(set(range(100)) - expected)


def test_note_of_somebody_else_counts_as_none_and_one_too_long_does_not_fit() -> None:
    assert (RedrivenOffsets.parse(5, "what is this").note, 5 in RedrivenOffsets.parse(5, "x")) == ("", False)
    redriven = RedrivenOffsets()
    for offset in range(1, 5000, 2):
        redriven.add(offset)
    assert not redriven.fits
