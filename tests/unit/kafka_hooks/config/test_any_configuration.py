"""Arbitrary documents are rejected with their problems, or become options that work."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pywatt.circuit_breaker import Breaker
from pywatt.service_type import OptionsError, Placement
from pywatt_kafka import Message
from pywatt_services.kafka_hooks import TYPE
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions
from pywatt_services.kafka_hooks.patterns.topic_patterns import matches
from pywatt_services.kafka_hooks.publishing.record_headers import RecordHeaders
from pywatt_services.kafka_hooks.webhooks.request import RequestMaker
from pywatt_services.kafka_hooks.webhooks.retry import Retry, SendToDlq, decide, decide_uncounted
from pywatt_services.kafka_hooks.webhooks.templates import TemplateError

PLACEMENT = Placement(id="kafka-hooks", path=Path("/app/web/kafka-hooks"), services=("gateway", "kafka-hooks", "api"))
SECRET = "whsec_" + "A" * 43 + "="
FULL: dict[str, Any] = {
    "brokers": ["localhost:9092", "other:9093"],
    "topics": [
        {
            "topic": "orders",
            "url": "http://api.plt.local/{record.key}?a={json.a[0].b}&h={header.x}",
            "method": "PUT",
            "headers": {"x-tenant": "a"},
            "retries": 3,
            "retryDelay": 500,
            "retry": {
                "success": [409],
                "drop": ["4xx"],
                "retry": [408, "500-504"],
                "backoff": "exponential",
                "factor": 2,
                "maxDelay": 30000,
                "jitter": 0.5,
                "attemptTimeout": 5000,
                "maxAge": 600000,
                "topic": "orders-retry",
                "respectRetryAfter": True,
            },
            "breaker": {"failures": 3, "window": 1000, "pause": 2000},
            "order": "partition",
            "concurrency": 7,
            "tombstones": "dlq",
            "dlq": "orders-dlq",
            "allowPrivate": False,
            "filter": {"key": {"not": "x"}, "headers": {"x": ["a"]}, "json": {"a[0].b": {"exists": True}}},
            "signature": {"secrets": [SECRET]},
            "cloudEvents": {"type": "t", "source": "/s"},
            "includeAttemptInRequests": False,
            "includeMetadataInRequests": False,
        },
        {"pattern": "a.*b", "url": "https://example.com/in", "batch": {"records": 10, "wait": 5, "bytes": 1000}},
    ],
    "requestResponse": [
        {"path": "/a/:id", "requestTopic": "q", "responseTopic": "s", "timeout": 1000, "methods": ["GET"]}
    ],
    "consumer": {
        "groupId": "g",
        "groupInstanceId": "i",
        "sessionTimeout": 10000,
        "heartbeatInterval": 1000,
        "rebalanceTimeout": 15000,
        "mode": "manual",
        "fallbackMode": "latest",
        "offsets": [{"topic": "orders", "partition": 0, "offset": 7}],
        "isolationLevel": "READ_COMMITTED",
        "minBytes": 1,
        "maxBytes": 100000,
        "maxWaitTime": 500,
        "highWaterMark": 100,
    },
    "concurrency": 20,
    "dlqFormat": "simple",
    "publish": {
        "topics": ["orders"],
        "headers": ["content-type", "x-*"],
        "bodyLimit": 100000,
        "bufferLimit": 1000000,
        "idempotencyWindow": 1000,
        "schemas": {"orders": {"type": "object"}},
    },
    "auth": {"apiKeys": ["key"], "header": "x-api-key"},
    "operations": {"dlq": True, "public": False},
    "engine": "rdkafka",
}
NUMBERS = st.sampled_from([0, -1, 1, 2, 0.1, 1e-320, 1e308, 2**31, 2**53, 2**63, 10**400, 99, 100, 999, 1000, 60000])
TEXTS = st.sampled_from(
    [
        "",
        " ",
        "a",
        "\0",
        "\ud800",
        "é",
        "a\r\nb",
        "{",
        "}",
        "{record.key}",
        "{x}",
        "{json.a[}",
        "{json.}",
        "{header.}",
        "*",
        "http://[::1",
        "http://é/",
        "http://a b/",
        "http://api.plt.local",
        "https://x:99999/",
        "//x",
        "file:///x",
        "x" * 300,
        "(",
        "[",
        "(?i)a",
        "(?P<x>a)",
        r"(a)\1",
        "(a+)+$",
        "a{99999}",
        ".*",
        "__x",
        "5xx",
        "500-499",
        "0-999",
        "xx",
        "1e3",
        "orders",
        "orders-retry",
        "whsec_",
        "whsec_!",
        "whsk_AAAA",
        "GET",
        "localhost",
        "localhost:0",
        ":1",
        "[::1]:9092",
        "/a/:id/:id",
        "/a/*",
        "/topics/x",
        "/metrics",
        "content-length",
        "host",
        "a b",
    ]
)
VALUES: st.SearchStrategy[Any] = (
    NUMBERS
    | TEXTS
    | st.booleans()
    | st.none()
    | st.builds(list)
    | st.builds(dict)
    | st.builds(lambda v: [v], TEXTS | NUMBERS)
)
SCHEMA = Draft202012Validator(TYPE.schema)
RECORDS = [
    Message("orders", 0, 7, b"key", b'{"a": [{"b": 1}]}', (("x", b"a"),), 1_700_000_000_000),
    Message("orders", 0, 8, None, None, (), -1),
]


def places(document: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the paths of all values."""
    if at:
        yield at
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield from places(document[key], (*at, key))


PLACES = list(places(FULL))


def changed(changes: dict[tuple[Any, ...], Any], gone: list[tuple[Any, ...]]) -> dict[str, Any]:
    """Return the full document with some values replaced and some removed."""
    document = copy.deepcopy(FULL)
    for place, value in [*changes.items(), *((each, None) for each in gone)]:
        holder: Any = document
        try:
            for key in place[:-1]:
                holder = holder[key]
            if place in gone:
                del holder[place[-1]]
            else:
                holder[place[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # something above it was changed before
    return document


def work_with(options: KafkaHooksOptions) -> None:
    """Use the options like a worker, without Kafka and HTTP."""
    RecordHeaders(options.publish.headers).of([(b"x-a", b"1"), (b"content-type", b"a")])
    matches("orders", options.publish.pattern)
    for webhook in options.webhooks:
        policy = webhook.retry
        for attempt in (1, 2, 1000):
            for status in (None, 100, 409, 503, 999):
                for draw in (0.0, 1.0):
                    decision = decide(status, attempt, policy, age=1.0, retry_after=5.0, draw=draw)
                    assert isinstance(decision, SendToDlq) or 0 <= decision.after < math.inf
                assert isinstance(decide_uncounted(status, policy, pause=1.0), Retry | SendToDlq)
        if webhook.breaker is not None:
            Breaker(webhook.breaker).failed(1.0)
        maker = RequestMaker(webhook)
        for record in RECORDS:
            if webhook.filter is not None:
                webhook.filter.takes(record)
            with suppress(TemplateError):
                maker.make(record, 1, 1_700_000_000.5)


@fuzz
@given(
    st.dictionaries(st.sampled_from(PLACES), VALUES, min_size=1, max_size=3),
    st.lists(st.sampled_from(PLACES), max_size=2),
)
def test_any_document_is_refused_or_works(changes: dict[tuple[Any, ...], Any], gone: list[tuple[Any, ...]]) -> None:
    document = changed(changes, gone)
    if not SCHEMA.is_valid(document):
        return
    try:
        configured = TYPE.configure(document, PLACEMENT)
    except OptionsError as error:
        refused = [problem.message for problem in error.problems]
    else:
        refused = []
        assert isinstance(configured.options, KafkaHooksOptions)
        work_with(configured.options)
    json.dumps(refused)


def test_full_document_is_right() -> None:
    SCHEMA.validate(FULL)
    configured = TYPE.configure({**FULL, "requestResponse": FULL["requestResponse"]}, PLACEMENT)
    assert isinstance(configured.options, KafkaHooksOptions)
    work_with(configured.options)
