"""Header rules between HTTP and Kafka."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.headers import check_header
from pywatt_services.kafka_hooks.wire.headers import (
    KEY,
    KEY_ENCODING,
    first_header,
    is_reserved,
    key_headers,
    key_of,
    webhook_headers,
)

NONE: frozenset[bytes] = frozenset()


@given(st.none() | st.binary(max_size=40))
def test_any_key_survives_the_way_through_headers(key: bytes | None) -> None:
    headers = key_headers(key)
    assert key_of(headers) == key
    for name, value in headers:
        check_header(name, value)


@pytest.mark.parametrize("key", [b"order-7", "grün".encode(), b""])
def test_text_key_is_sent_as_it_is(key: bytes) -> None:
    assert key_headers(key) == [(KEY.encode(), key)]


@pytest.mark.parametrize("key", [b"\xff\x00", b"a\nb", b" padded "])
def test_other_key_is_sent_in_base64(key: bytes) -> None:
    assert key_headers(key) == [(KEY.encode(), base64.b64encode(key)), (KEY_ENCODING.encode(), b"base64")]


@pytest.mark.parametrize(("key", "encoding"), [(b"not base64!", b"base64"), (b"abcd", b"hex")])
def test_key_that_is_not_what_it_says_is_refused(key: bytes, encoding: bytes) -> None:
    with pytest.raises(ValueError, match="base64"):
        key_of([(KEY.encode(), key), (KEY_ENCODING.encode(), encoding)])


@given(st.lists(st.tuples(st.text(max_size=12), st.none() | st.binary(max_size=12)), max_size=6), st.binary(max_size=6))
def test_webhook_gets_only_headers_that_http_can_carry(record: list[tuple[str, bytes | None]], key: bytes) -> None:
    for name, value in webhook_headers(NONE, record, key):
        check_header(name, value)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "connection", "content-length", "cookie", "Host", "keep-alive", "proxy-authorization",
        "te", "trailer", "transfer-encoding", "upgrade", "x-plt-kafka-hooks-attempt", "x-plt-kafka-hooks-key",
    ],
)  # fmt: skip
def test_record_cannot_choose_what_is_not_its_business(name: str) -> None:
    assert webhook_headers(NONE, [(name, b"evil")], None) == []


def test_configured_header_wins_over_the_records() -> None:
    configured = {b"authorization", b"x-tenant"}
    record: list[tuple[str, bytes | None]] = [("X-Tenant", b"theirs"), ("x-other", b" kept ")]
    assert webhook_headers(configured, record, b"k") == [(b"x-other", b"kept"), (KEY.encode(), b"k")]


def test_illegal_record_headers_are_left_out() -> None:
    record = [("x-split", b"a\r\nevil: b"), ("bad name", b"x"), ("x-none", None), ("größe", b"1"), ("x-ok", b"\xe4")]
    assert webhook_headers(NONE, record, None) == [(b"x-ok", b"\xe4")]


def test_correlation_id_reaches_the_webhook() -> None:
    record: list[tuple[str, bytes | None]] = [("x-plt-kafka-hooks-correlation-id", b"id")]
    assert webhook_headers(NONE, record, None) == [(b"x-plt-kafka-hooks-correlation-id", b"id")]


@pytest.mark.parametrize("name", ["Host", "Content-Length", "connection", "X-Plt-Kafka-Hooks-Attempt"])
def test_reserved_names(name: str) -> None:
    assert is_reserved(name)
    assert not is_reserved("authorization")


def test_first_header_is_found_in_any_case() -> None:
    assert first_header([("A", b"0"), ("X-Status-Code", b"404")], "x-status-code") == b"404"
    assert first_header([], "x-status-code") is None


def test_where_the_publisher_stood_is_not_told_to_a_webhook_as_its_own_place() -> None:
    record = [
        ("X-Forwarded-Prefix", b"/hooks"),
        ("x-forwarded-proto", b"https"),
        ("forwarded", b"for=x"),
        ("x-a", b"1"),
    ]
    assert webhook_headers(NONE, record, None) == [(b"x-a", b"1")]
