"""Any record makes a valid request and dead letter, or becomes a dead letter with a reason."""

from __future__ import annotations

import json

from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.headers import check_header
from pywatt.mesh.address import locate
from pywatt_kafka import Message
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_services.kafka_hooks.delivering.dead_letter import dead_letter
from pywatt_services.kafka_hooks.delivering.retry_record import read_retry_record, retry_headers, retry_value
from pywatt_services.kafka_hooks.delivering.undelivered_writer import placed_by
from pywatt_services.kafka_hooks.http.responses import reply_response
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.bundle import bundle_body
from pywatt_services.kafka_hooks.webhooks.cloud_events import CloudEventOptions
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.record_filter import read_filter
from pywatt_services.kafka_hooks.webhooks.request import RequestMaker
from pywatt_services.kafka_hooks.webhooks.signature import SigningKey
from pywatt_services.kafka_hooks.webhooks.target_name import named_target
from pywatt_services.kafka_hooks.webhooks.templates import TemplateError

NAMES = st.text(max_size=12) | st.sampled_from(
    [
        "content-type",
        "Content-Encoding",
        "x-status-code",
        "ce_id",
        "CE_type",
        "ce_",
        "ce_\u00e9",
        "x-a",
        "host",
        "x a",
        "",
        "x-plt-kafka-hooks-redrive-target",
        "x-plt-kafka-hooks-retry-topic",
        "x-plt-kafka-hooks-retry-offset",
        "\ufffd",
    ]
)
VALUES = (
    st.none() | st.binary(max_size=20) | st.sampled_from([b"v" * 9000, b"200", b"\r\nx: y", b"ffffffff", b"9" * 5000])
)
BODIES = (
    st.none()
    | st.binary(max_size=30)
    | st.sampled_from(
        [
            b'{"a": [{"b": "x"}]}',
            b'{"a": [{"b": 1e400}]}',
            b'{"a": ' * 3000,
            b'{"a": [{"b": "\\ud800"}]}',
            b"[" * 50_000,
            b"NaN",
            b'{"a": [{"b": ' + b"9" * 5000 + b"}]}",
        ]
    )
)
MESSAGES = st.builds(
    Message,
    st.sampled_from(["orders", "a.b-c_d"]),
    st.integers(0, 2**31 - 1),
    st.integers(0, 2**63 - 1),
    VALUES,
    BODIES,
    st.lists(st.tuples(NAMES, VALUES), max_size=5).map(tuple),
    st.integers(-1, 2**63 - 1),
)
URLS = ("http://api.plt.local/", "http://api.plt.local/{record.key}/{header.x-a}?b={json.a[0].b}")
FILTER = read_filter({"key": {"not": "x"}, "headers": {"x-a": ["a"]}, "json": {"a[0].b": {"not": 1}}})
KEY = SigningKey(asymmetric=False, secret=bytes(32))


@fuzz
@given(MESSAGES, st.sampled_from(URLS), st.booleans())
def test_any_record_makes_a_legal_request(message: Message, url: str, events: bool) -> None:
    FILTER.takes(message)
    named_target(message.headers)
    options = WebhookOptions(
        topic="orders", url=url, signing_keys=(KEY,), cloud_events=CloudEventOptions() if events else None
    )
    try:
        request = RequestMaker(options).make(message, 1, 1_700_000_000.5)
    except TemplateError:
        return
    locate(request.url)
    assert request.lines.endswith(b"\r\n")
    for line in request.lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        check_header(name, value)
        assert len(value) <= 8000
    assert request.body == (message.value or b"")


@fuzz
@given(MESSAGES)
def test_any_record_can_be_bundled_dead_lettered_and_postponed(message: Message) -> None:
    json.loads(bundle_body([(message, "id", 1)]))
    failure = Attempt(number=1, requested_at=1.5, status=503, body=b"\xff")
    for form in DeadLetterFormat:
        for whole in (True, False):
            json.loads(dead_letter(message, [failure], form, attempts=1, now=1.5, whole=whole))
    assert placed_by(message) is not None
    headers = retry_headers(message, attempts=1, due=2.5, failures=[failure], target_id=7)
    stand_in = message._replace(topic="retry", value=retry_value(message), headers=tuple(headers))
    found = read_retry_record(stand_in)
    assert found is None or found.message == message  # None: its numbers are none that Kafka can have


@fuzz
@given(MESSAGES)
def test_any_reply_makes_a_legal_answer(message: Message) -> None:
    answer = reply_response(message)
    assert 200 <= answer.status <= 599
    for name, value in answer.headers:
        check_header(name, value)
