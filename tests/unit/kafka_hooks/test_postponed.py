"""A record and its stand-in in a retry topic: there and back without a loss."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka import Message
from pywatt_services.kafka_hooks.delivering.postponed import (
    PREFIX,
    TOPIC,
    postponed_headers,
    postponed_value,
    read_postponed,
)
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt

FAILURES = (
    Attempt(number=1, requested_at=1.5, status=500),
    Attempt(number=2, requested_at=2.5, status=None, cause="nobody there"),
)
HEADERS = st.lists(
    st.tuples(st.sampled_from(["a", "b", TOPIC, f"{PREFIX}x"]), st.none() | st.binary(max_size=5)), max_size=5
)


def stand_in(message: Message) -> Message:
    headers = postponed_headers(message, attempts=2, due=1234.567, failures=FAILURES, target_id=0xABC)
    return Message("orders-retry", 3, 99, message.key, postponed_value(message), tuple(headers), 5)


@given(st.none() | st.binary(max_size=5), st.none() | st.binary(max_size=5), HEADERS)
def test_the_record_comes_back_as_it_was(
    key: bytes | None, value: bytes | None, headers: list[tuple[str, bytes | None]]
) -> None:
    message = Message("orders", 1, 7, key, value, tuple(headers), 1_700_000_000_000)
    record = stand_in(message)
    assert (record.key, record.value) != (None, None)
    found = read_postponed(record)
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
    assert read_postponed(Message("orders-retry", 0, 0, b"k", b"v", headers, 0)) is None
