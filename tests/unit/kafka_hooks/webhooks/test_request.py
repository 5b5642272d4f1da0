"""The request that a webhook receives for a record."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from harness.webhook_client import headers_of
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.headers import check_header
from pywatt_kafka import Header, Message
from pywatt_services.kafka_hooks.webhooks.cloud_events import CloudEventOptions
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.request import RequestMaker
from pywatt_services.kafka_hooks.webhooks.signature import Signer, SigningKey
from pywatt_services.kafka_hooks.webhooks.templates import TemplateError

KEY = SigningKey(asymmetric=False, secret=bytes(32))
NOW = 1769162400.7
IDENTITY = {b"accept-encoding": b"identity"}


def sent(
    headers: tuple[Header, ...] = (), key: bytes | None = b"k", topic: str = "orders.eu", **options: Any
) -> dict[bytes, bytes]:
    maker = RequestMaker(WebhookOptions(topic=topic, url="http://api.plt.local/", **options))
    request = maker.make(Message(topic, 3, 17, key, b"body", headers, 1769162400123), 2, NOW)
    found = headers_of(request.lines)
    for name, value in found.items():
        check_header(name, value)
    return found


def test_where_the_record_is_and_an_id_that_is_the_same_for_all_attempts() -> None:
    assert sent() == {
        b"x-plt-kafka-hooks-key": b"k",
        b"x-plt-kafka-hooks-topic": b"orders.eu",
        b"x-plt-kafka-hooks-partition": b"3",
        b"x-plt-kafka-hooks-offset": b"17",
        b"x-plt-kafka-hooks-timestamp": b"1769162400123",
        b"webhook-id": b"orders~eu-3-17",
        b"x-plt-kafka-hooks-attempt": b"2",
        **IDENTITY,
    }


def test_all_of_it_can_be_left_out() -> None:
    assert sent(include_metadata=False, include_attempt=False) == {b"x-plt-kafka-hooks-key": b"k", **IDENTITY}


@pytest.mark.parametrize(
    "name",
    [
        "x-plt-kafka-hooks-topic", "X-Plt-Kafka-Hooks-Offset", "webhook-id", "webhook-timestamp", "Webhook-Signature",
        "x-plt-kafka-hooks-partition", "x-plt-kafka-hooks-timestamp", "X-Plt-Kafka-Hooks-Tombstone",
    ],
)  # fmt: skip
def test_record_cannot_pretend_to_be_another(name: str) -> None:
    assert sent(((name, b"evil"),), include_metadata=False) == {
        b"x-plt-kafka-hooks-key": b"k",
        b"x-plt-kafka-hooks-attempt": b"2",
        **IDENTITY,
    }


@pytest.mark.parametrize(
    "name",
    [
        "Accept-Encoding", "range", "if-range", "If-None-Match", "if-match", "if-modified-since", "if-unmodified-since",
        "TE", "connection", "keep-alive", "transfer-encoding", "trailer", "upgrade", "proxy-authorization", "expect",
    ],
)  # fmt: skip
def test_publisher_does_not_choose_what_the_target_answers(name: str) -> None:
    record = ((name, b"gzip"), ("content-encoding", b"gzip"))
    found = sent(record, include_metadata=False, include_attempt=False)
    assert found == {b"x-plt-kafka-hooks-key": b"k", b"content-encoding": b"gzip", **IDENTITY}


def test_codings_that_are_configured_are_asked_for() -> None:
    coded = ((b"accept-encoding", b"gzip"),)
    maker = RequestMaker(WebhookOptions(topic="orders", url="http://api.plt.local/", headers=coded))
    request = maker.make(Message("orders", 3, 17, b"k", b"", (), 1), 1, NOW)
    assert headers_of(request.lines)[b"accept-encoding"] == b"gzip"


@pytest.mark.parametrize("size", [1, 6000, 6001, 20_000, 1_000_000])
@pytest.mark.parametrize("letter", [b"k", b"\xff"])
@pytest.mark.parametrize("events", [None, CloudEventOptions()])
def test_no_header_is_longer_than_servers_take(size: int, letter: bytes, events: CloudEventOptions | None) -> None:
    record = (("x-long", b"v" * 8001), ("x-fits", b"v" * 8000), ("ce_long", b"v" * 8001))
    found = sent(record, letter * size, cloud_events=events)
    assert max(len(value) for value in found.values()) == 8000
    assert b"x-long" not in found
    encoding = found.get(b"x-plt-kafka-hooks-key-encoding")
    if size > 6000:
        assert (encoding, found[b"x-plt-kafka-hooks-key"]) == (
            b"sha256", hashlib.sha256(letter * size).hexdigest().encode(),
        )  # fmt: skip
    else:
        assert encoding == (None if letter == b"k" else b"base64")


@pytest.mark.parametrize("size", [7000, 9000])
def test_no_url_is_longer_than_servers_take(size: int) -> None:
    maker = RequestMaker(WebhookOptions(topic="orders", url="http://api.plt.local/{record.key}"))
    message = Message("orders", 3, 17, b"k" * size, b"", (), 1)
    if size < 8000:
        assert maker.make(message, 1, NOW).url.endswith("/" + "k" * size)
        return
    with pytest.raises(TemplateError, match="9021 characters"):
        maker.make(message, 1, NOW)


def test_record_without_a_value_is_told_from_one_with_an_empty_value() -> None:
    maker = RequestMaker(WebhookOptions(topic="orders", url="http://api.plt.local/", include_metadata=False))
    for value, told in ((None, b"true"), (b"", None)):
        request = maker.make(Message("orders", 3, 17, b"k", value, (), 1), 1, NOW)
        assert request.body == b""
        assert headers_of(request.lines).get(b"x-plt-kafka-hooks-tombstone") == told


def test_signature_covers_id_time_of_the_attempt_and_body() -> None:
    found = sent(signing_keys=(KEY,), include_metadata=False)
    assert found[b"webhook-timestamp"] == b"1769162400"
    assert found[b"webhook-signature"] == Signer([KEY]).sign(b"orders~eu-3-17", b"1769162400", b"body")
    assert found[b"webhook-id"] == b"orders~eu-3-17"


def test_record_becomes_a_cloud_event() -> None:
    found = sent((("content-type", b"text/plain"),), cloud_events=CloudEventOptions(type="order"))
    assert {name: value for name, value in found.items() if name.startswith((b"ce-", b"content"))} == {
        b"content-type": b"text/plain",
        b"ce-specversion": b"1.0",
        b"ce-id": b"orders~eu-3-17",
        b"ce-type": b"order",
        b"ce-source": b"/topics/orders.eu",
        b"ce-time": b"2026-01-23T10:00:00.123Z",
        b"ce-partitionkey": b"k",
    }


def test_cloud_event_in_kafka_stays_the_event_that_it_is() -> None:
    record: tuple[Header, ...] = (
        ("ce_id", b"1"),
        ("CE_Type", "grün %".encode()),
        ("ce_bad-name", b"x"),
        ("ce-source", b"evil"),
        ("ce_none", None),
    )
    found = sent(record, cloud_events=CloudEventOptions(source="/mine"))
    assert (found[b"ce-id"], found[b"ce-type"], found[b"ce-source"]) == (b"1", b"gr%C3%BCn%20%25", b"/mine")
    assert not {name for name in found if b"_" in name or b"bad" in name or b"none" in name}


@given(
    st.lists(st.tuples(st.sampled_from(["ce_id", "ce_x", "ce_type"]), st.none() | st.binary(max_size=20)), max_size=4),
    st.none() | st.binary(max_size=10),
)
def test_any_event_makes_a_legal_request(headers: list[Header], key: bytes | None) -> None:
    sent(tuple(headers), key, cloud_events=CloudEventOptions())
