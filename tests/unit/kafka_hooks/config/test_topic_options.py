"""Entries of `topics`: order, retries, breakers and tombstones, for one entry or for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pywatt.circuit_breaker import BreakerPolicy
from pywatt.service_type import OptionsError, Placement
from pywatt_schemas import service_file
from pywatt_services.kafka_hooks import TYPE
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions
from pywatt_services.kafka_hooks.webhooks.bundle import BundleOptions
from pywatt_services.kafka_hooks.webhooks.cloud_events import CloudEventOptions
from pywatt_services.kafka_hooks.webhooks.options import Order, Tombstones, WebhookOptions
from pywatt_services.kafka_hooks.webhooks.record_filter import Condition, RecordFilter
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy, StatusMeaning

PLACEMENT = Placement(
    id="kafka-hooks",
    path=Path("/app/web/kafka-hooks"),
    services=("kafka-hooks", "api", "audit"),
    left_out=frozenset({"ops"}),
)
URL = "http://api.plt.local/orders"


def document(*entries: dict[str, Any], **more: Any) -> dict[str, Any]:
    topics = [{"topic": "orders", "url": URL, **entry} for entry in entries]
    return {"brokers": ["a:1"], "topics": topics, "consumer": {"groupId": "group"}, **more}


def read(*entries: dict[str, Any], **more: Any) -> tuple[WebhookOptions, ...]:
    data = document(*entries, **more)
    jsonschema.validate(data, service_file(TYPE.schema))
    options = TYPE.configure(data, PLACEMENT).options
    assert isinstance(options, KafkaHooksOptions)
    return options.webhooks


def problems(*entries: dict[str, Any], **more: Any) -> dict[str, str]:
    with pytest.raises(OptionsError) as caught:
        read(*entries, **more)
    return {problem.key: problem.message for problem in caught.value.problems}


def test_everything_has_the_originals_default() -> None:
    assert read({}) == (WebhookOptions(topic="orders", url=URL),)


def test_policies_of_an_entry() -> None:
    (options,) = read(
        {
            "order": "partition",
            "concurrency": 3,
            "retries": 8,
            "retryDelay": 500,
            "tombstones": "dlq",
            "retry": {
                "backoff": "exponential",
                "factor": 3,
                "maxDelay": 20_000,
                "jitter": 0.1,
                "respectRetryAfter": False,
                "attemptTimeout": 5000,
                "maxAge": 60_000,
                "drop": ["4xx"],
                "retry": [429],
                "success": [409],
            },
            "breaker": {"failures": 5, "pause": 1000},
        }
    )
    assert (options.order, options.concurrency, options.tombstones) == (Order.PARTITION, 3, Tombstones.DLQ)
    assert options.breaker == BreakerPolicy(failures=5, window=60.0, pause=1.0)
    rules = options.retry.rules
    assert options.retry == RetryPolicy(
        attempts=8,
        delay=0.5,
        factor=3.0,
        jitter=0.1,
        max_delay=20.0,
        respect_retry_after=False,
        attempt_timeout=5.0,
        max_age=60.0,
        rules=rules,
    )
    assert [rules.of(status) for status in (404, 429, 409)] == [
        StatusMeaning.DROP,
        StatusMeaning.RETRY,
        StatusMeaning.SUCCESS,
    ]


def test_exponential_delays_have_jitter_unless_told_otherwise() -> None:
    (options,) = read({"retry": {"backoff": "exponential"}})
    assert (options.retry.factor, options.retry.jitter, options.retry.max_delay) == (2.0, 0.5, 60.0)


def test_what_requests_carry() -> None:
    (options,) = read(
        {
            "url": "http://api.plt.local/{record.key}",
            "includeMetadataInRequests": False,
            "signature": {"secrets": [f"whsec_{'A' * 32}", f"whsk_{'A' * 43}="]},
            "cloudEvents": {"type": "order"},
            "filter": {"headers": {"Type": ["a", "b"]}},
        }
    )
    assert not options.include_metadata
    assert [key.asymmetric for key in options.signing_keys] == [False, True]
    assert options.cloud_events == CloudEventOptions(type="order")
    assert options.filter == RecordFilter(headers=(("type", Condition(is_in=("a", "b"))),))
    assert read({"batch": {"records": 10, "wait": 5, "bytes": 99}})[0].bundle == BundleOptions(
        records=10, wait=0.005, size=99
    )
    assert read({"cloudEvents": True})[0].cloud_events == CloudEventOptions()


def test_what_is_said_for_all_is_for_entries_that_say_nothing() -> None:
    first, second = read(
        {}, {"topic": "b", "order": "key", "breaker": False}, order="none", breaker=True, retry={"drop": ["4xx"]}
    )
    assert (first.order, second.order) == (Order.NONE, Order.KEY)
    assert (first.breaker, second.breaker) == (BreakerPolicy(), None)
    assert first.retry.rules == second.retry.rules
    assert first.retry.rules.of(404) == StatusMeaning.DROP


def test_it_may_stand_in_the_kafka_block_too() -> None:
    data = {"kafka": {**document({}), "order": "none"}}
    jsonschema.validate(data, service_file(TYPE.schema))
    options = TYPE.configure(data, PLACEMENT).options
    assert isinstance(options, KafkaHooksOptions)
    assert options.webhooks[0].order is Order.NONE


def test_topic_may_have_several_targets() -> None:
    data = document({}, {"url": "http://audit.plt.local/"})
    configured = TYPE.configure(data, PLACEMENT)
    assert isinstance(configured.options, KafkaHooksOptions)
    assert [webhook.url for webhook in configured.options.webhooks] == [URL, "http://audit.plt.local/"]
    assert configured.calls == ("api", "audit")


@pytest.mark.parametrize(
    ("entry", "key", "message"),
    [
        ({"retry": {"drop": [404], "success": [404]}}, "topics[0].retry", "404 is listed as success and drop"),
        ({"url": "http://{header.host}/"}, "topics[0].url", "may not choose the host"),
        ({"url": "http://apu.plt.local/{record.key}"}, "topics[0].url", "no service 'apu'"),
        ({"url": "http://ops.plt.local/"}, "topics[0].url", "'ops' does not run"),
        ({"signature": {"secrets": ["whsec_c2hvcnQ="]}}, "topics[0].signature.secrets[0]", "5 bytes"),
        ({"filter": {"json": {"a..b": 1}}}, "topics[0].filter.json", "not a path"),
        ({"url": URL + "/{record.key}", "batch": {"records": 2}}, "topics[0].batch", "one URL"),
        ({"cloudEvents": True, "batch": {"records": 2}}, "topics[0].batch", "travels alone"),
        ({"retry": {"factor": 3}}, "topics[0].retry.factor", "delays that grow"),
        ({"retry": {"backoff": "exponential", "maxDelay": 500}}, "topics[0].retry.maxDelay", "less than retryDelay"),
    ],
)
def test_problem_is_found_with_its_key(entry: dict[str, Any], key: str, message: str) -> None:
    found = problems(entry)
    assert list(found) == [key]
    assert message in found[key]


def test_dead_letters_of_any_target_must_not_come_back() -> None:
    found = problems(
        {"dlq": "dead"}, {"url": "http://audit.plt.local/", "dlq": "again"}, {"topic": "again", "dlq": "orders"}
    )
    assert set(found) == {"topics[1].dlq", "topics[2].dlq"}


@pytest.mark.parametrize(
    "entry",
    [
        {"order": "topic"},
        {"concurrency": 0},
        {"retry": {"drop": ["6x"]}},
        {"retry": {"drop": [42]}},
        {"retry": {"backoff": "linear"}},
        {"retry": {"jitter": 2}},
        {"retry": {"attempts": 2}},
        {"breaker": {"failures": 0}},
        {"breaker": 3},
        {"tombstones": True},
        {"signature": {"secrets": []}},
        {"filter": {"headers": {"a": {}}}},
        {"filter": {"value": 1}},
        {"cloudEvents": {"id": "x"}},
        {"batch": {}},
        {"batch": {"records": 0}},
    ],
)
def test_schema_refuses(entry: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document(entry), service_file(TYPE.schema))
