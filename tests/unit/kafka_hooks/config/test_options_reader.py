"""A service's document, in both forms, becomes frozen options; every problem names its key."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pywatt.service_type import Configured, OptionsError, Placement
from pywatt_kafka import Fetching, Isolation
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_schemas import service_file
from pywatt_services.kafka_hooks import TYPE
from pywatt_services.kafka_hooks.config.options import (
    ConsumerOptions,
    GivenOffset,
    KafkaHooksOptions,
    RequestReplyOptions,
    StartAt,
)
from pywatt_services.kafka_hooks.http.routes import PathPattern
from pywatt_services.kafka_hooks.patterns.topic_patterns import matches
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.publishing.schema_files import read_schema
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy

PLACEMENT = Placement(id="kafka-hooks", path=Path("/app/web/kafka-hooks"), services=("gateway", "kafka-hooks", "api"))

GUIDE: dict[str, Any] = {
    "$schema": "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json",
    "brokers": ["localhost:9092"],
    "topics": [
        {
            "topic": "orders",
            "url": "http://api.plt.local/webhooks/orders",
            "method": "PUT",
            "retries": 5,
            "retryDelay": 500,
            "dlq": "orders-dlq",
            "headers": {"X-Tenant": "a"},
        },
        {"topic": "logs", "url": "https://example.com/ingest", "dlq": False, "includeAttemptInRequests": False},
        {"topic": "plain", "url": "http://API.plt.local/plain", "dlq": True},
    ],
    "requestResponse": [
        {"path": "/api/process/:id", "requestTopic": "requests", "responseTopic": "responses", "timeout": 60000}
    ],
    "consumer": {"groupId": "group"},
    "concurrency": 20,
}


ORIGIN = {"topic": "orders", "partition": 1, "offset": 12}


def document(**changes: Any) -> dict[str, Any]:
    return {**GUIDE, **changes}


def configure(data: dict[str, Any]) -> Configured:
    jsonschema.validate(data, service_file(TYPE.schema))
    return TYPE.configure(data, PLACEMENT)


def options_of(data: dict[str, Any]) -> KafkaHooksOptions:
    options = configure(data).options
    assert isinstance(options, KafkaHooksOptions)
    return options


def problems_of(data: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(OptionsError) as caught:
        configure(data)
    return {problem.key: problem.message for problem in caught.value.problems}


def webhook(**changes: Any) -> dict[str, Any]:
    return {"topic": "orders", "url": "http://api.plt.local/orders", **changes}


def by_pattern(pattern: str) -> dict[str, Any]:
    return {"pattern": pattern, "url": "http://api.plt.local/orders"}


def test_pattern_can_be_published_to_unless_topics_are_named() -> None:
    options = options_of(document(topics=[webhook(dlq="a.dlq"), by_pattern(r"a\..*")]))
    assert [entry.by_pattern for entry in options.webhooks] == [False, True]
    assert options.publish.topics == {"orders", "responses"}
    assert [matches(name, options.publish.pattern) for name in ("a.b", "a.dlq", "b")] == [True, False, False]
    named = options_of(document(topics=[by_pattern(r"a\..*")], publish={"topics": ["audit"]}))
    assert named.publish.topics == {"audit"}
    assert named.publish.pattern is None


def test_guides_document_is_understood() -> None:
    assert options_of(GUIDE) == KafkaHooksOptions(
        brokers=("localhost:9092",),
        webhooks=(
            WebhookOptions(
                topic="orders",
                url="http://api.plt.local/webhooks/orders",
                method="PUT",
                headers=((b"x-tenant", b"a"),),
                retry=RetryPolicy(attempts=5, delay=0.5),
                dlq="orders-dlq",
            ),
            WebhookOptions(topic="logs", url="https://example.com/ingest", dlq=None, include_attempt=False),
            WebhookOptions(topic="plain", url="http://API.plt.local/plain", dlq="plt-kafka-hooks-dlq"),
        ),
        request_replies=(
            RequestReplyOptions(
                path=PathPattern(("api", "process", ":id")),
                request_topic="requests",
                response_topic="responses",
                timeout=60.0,
            ),
        ),
        consumer=ConsumerOptions(group_id="group"),
        concurrency=20,
        publish=PublishOptions(topics=frozenset({"orders", "logs", "plain", "responses"})),
    )


def test_services_that_webhooks_call_are_told() -> None:
    assert configure(GUIDE).calls == ("api",)


def test_call_of_the_service_itself_is_no_dependency() -> None:
    assert configure(document(topics=[webhook(url="http://kafka-hooks.plt.local/topics/other")])).calls == ()


def test_originals_block_means_the_same() -> None:
    block = {key: value for key, value in GUIDE.items() if key != "$schema"}
    assert options_of({"kafka": block}) == options_of(GUIDE)


def test_options_can_be_sent_to_a_worker() -> None:
    options = options_of(GUIDE)
    assert pickle.loads(pickle.dumps(options)) == options


def test_keys_given_in_both_shapes_are_refused() -> None:
    problems = problems_of({"kafka": {"brokers": ["a:1"], "topics": [webhook()]}, **GUIDE})
    assert set(problems) == {"brokers", "topics"}


@pytest.mark.parametrize(
    ("consumer", "start_at"),
    [
        ({}, StartAt.EARLIEST),
        ({"mode": "latest"}, StartAt.LATEST),
        ({"mode": "earliest", "fallbackMode": "latest"}, StartAt.EARLIEST),
        ({"mode": "committed"}, StartAt.EARLIEST),
        ({"mode": "committed", "fallbackMode": "latest"}, StartAt.LATEST),
        ({"fallbackMode": "latest"}, StartAt.LATEST),
        ({"fallbackMode": "fail"}, StartAt.FAIL),
        ({"mode": "manual", "offsets": [ORIGIN], "fallbackMode": "fail"}, StartAt.FAIL),
        ({"mode": "manual", "offsets": [ORIGIN]}, StartAt.EARLIEST),
    ],
)
def test_mode_says_where_to_begin_without_a_committed_offset(consumer: dict[str, Any], start_at: StartAt) -> None:
    options = options_of(document(consumer={"groupId": "group", **consumer}))
    assert options.consumer is not None
    assert options.consumer.start_at is start_at


def test_consumer_settings_are_seconds_and_counts() -> None:
    consumer = {
        "groupId": "group", "sessionTimeout": 6000, "rebalanceTimeout": 9000, "highWaterMark": 10,
        "groupInstanceId": "one", "heartbeatInterval": 500, "isolationLevel": "READ_UNCOMMITTED", "minBytes": 2,
        "maxBytes": 5000, "maxWaitTime": 250, "mode": "manual", "offsets": [ORIGIN],
    }  # fmt: skip
    assert options_of(document(consumer=consumer)).consumer == ConsumerOptions(
        group_id="group",
        session_timeout=6.0,
        rebalance_timeout=9.0,
        buffered_records=10,
        group_instance_id="one",
        heartbeat_interval=0.5,
        fetching=Fetching(isolation=Isolation.READ_UNCOMMITTED, min_bytes=2, max_bytes=5000, max_wait=0.25),
        offsets=(GivenOffset(topic="orders", partition=1, offset=12),),
    )


@pytest.mark.parametrize(
    ("data", "key", "message"),
    [
        ({"topics": GUIDE["topics"], "consumer": GUIDE["consumer"]}, "brokers", "brokers is missing"),
        ({"brokers": ["a:1"]}, "topics", "neither topics nor requestResponse"),
        (document(brokers=["http://a:9092"]), "brokers[0]", "begins with http://"),
        (document(brokers=["b:1", "a:99999"]), "brokers[1]", "no port 99999"),
        (document(brokers=["embedded", "a:1"]), "brokers", "no part of another cluster"),
        (document(consumer={}), "consumer.groupId", "groupId is missing"),
        (document(topics=[webhook(url="ftp://x/")]), "topics[0].url", "not an http or https URL"),
        (document(topics=[webhook(url="http://apu.plt.local/")]), "topics[0].url", "no service 'apu'"),
        (document(topics=[webhook(url="http://me:pw@example.com/")]), "topics[0].url", "password"),
        (document(topics=[webhook(headers={"a b": "c"})]), "topics[0].headers.a b", "not a header"),
        (document(topics=[webhook(headers={"x": "c\nd"})]), "topics[0].headers.x", "not a header"),
        (document(topics=[webhook(headers={"Host": "x"})]), "topics[0].headers.Host", "made by pywatt"),
        (document(topics=[webhook(dlq="orders")]), "topics[0].dlq", "come back to orders"),
        (
            document(topics=[webhook(dlq="requests")]),
            "topics[0].dlq",
            "the requests and responses of requestResponse[0]",
        ),
        (document(topics=[webhook(dlq="responses")]), "topics[0].dlq", "the requests and responses of"),
        (document(topics=[webhook(), webhook()]), "topics[1]", "topics[0] says the same"),
        (document(topics=[{"url": "http://api.plt.local/"}]), "topics[0]", "topic is missing"),
        (document(topics=[webhook(pattern="a")]), "topics[0].pattern", "topic and pattern are given"),
        (document(topics=[by_pattern("orders(")]), "topics[0].pattern", "not a regular expression"),
        (document(topics=[by_pattern("a"), by_pattern("a")]), "topics[1]", "topics[0] says the same"),
        (document(topics=[by_pattern("a") | {"retry": {"topic": True}}]), "topics[0].retry.topic", "needs a name"),
        (document(topics=[webhook(retry={"topic": "orders"})]), "topics[0].retry.topic", "also given as topic"),
        (document(topics=[webhook(retry={"topic": "x"}, dlq="x")]), "topics[0].retry.topic", "also given as dlq"),
        (document(topics=[webhook(retry={"topic": "requests"})]), "topics[0].retry.topic", "requestResponse"),
        (document(topics=[webhook(topic="a" * 249, retry={"topic": True})]), "topics[0].retry.topic", "too long"),
        (
            document(topics=[webhook(), webhook(method="PUT")], retry={"topic": True}),
            "topics[1].retry.topic",
            "also given as the retry topic of topics[0]",
        ),
    ],
)
def test_problem_is_found_with_its_key(data: dict[str, Any], key: str, message: str) -> None:
    problems = problems_of(data)
    assert list(problems) == [key]
    assert message in problems[key]


@pytest.mark.parametrize(
    ("consumer", "key", "message"),
    [
        ({"mode": "manual"}, "offsets", "no offsets are given"),
        ({"offsets": [ORIGIN]}, "offsets", "for the mode manual, not committed"),
        ({"mode": "manual", "offsets": [ORIGIN, ORIGIN]}, "offsets[1]", "orders[1] is given twice"),
        ({"mode": "manual", "offsets": [{**ORIGIN, "topic": "x"}]}, "offsets[0].topic", "x is not read here"),
        ({"heartbeatInterval": 10000}, "heartbeatInterval", "no heartbeat comes within sessionTimeout (10000)"),
        ({"minBytes": 2000, "maxBytes": 1000}, "minBytes", "more than maxBytes (1000)"),
    ],
)
def test_problem_of_the_consumer_is_found_with_its_key(consumer: dict[str, Any], key: str, message: str) -> None:
    problems = problems_of(document(consumer={"groupId": "g", **consumer}))
    assert list(problems) == [f"consumer.{key}"]
    assert message in problems[f"consumer.{key}"]


def test_offsets_may_be_those_of_a_pattern() -> None:
    consumer = {"groupId": "g", "mode": "manual", "offsets": [{**ORIGIN, "topic": "a.b"}]}
    options = options_of(document(topics=[by_pattern(r"a\..*")], consumer=consumer)).consumer
    assert options is not None
    assert [each.topic for each in options.offsets] == ["a.b"]


def test_dead_letters_that_go_round_in_a_circle_are_refused() -> None:
    topics = [webhook(topic="a", dlq="b"), webhook(topic="b", dlq="c"), webhook(topic="c", dlq="b")]
    assert set(problems_of(document(topics=topics))) == {"topics[1].dlq", "topics[2].dlq"}


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/a/*", "cannot be used"),
        ("/topics/:topic", "publishing"),
        ("/topics/x", "publishing"),
        ("/metrics", "answered by the service itself"),
        ("/why", "answered by the service itself"),
        ("/dlq", "operations.dlq"),
        ("/dlq/:topic/redrive", "operations.dlq"),
    ],
)
def test_path_that_cannot_be_served_is_refused(path: str, message: str) -> None:
    reply = {"path": path, "requestTopic": "q", "responseTopic": "a"}
    problems = problems_of({"brokers": ["a:1"], "requestResponse": [reply], "operations": {"dlq": True}})
    assert list(problems) == ["requestResponse[0].path"]
    assert message in problems["requestResponse[0].path"]


@pytest.mark.parametrize("path", ["/topics", "/topics/x/y", "/metrics/x", "/:any", "/dlq", "/dlq/x"])
def test_path_that_looks_alike_is_served(path: str) -> None:
    reply = {"path": path, "requestTopic": "q", "responseTopic": "a"}
    assert len(options_of({"brokers": ["a:1"], "requestResponse": [reply]}).request_replies) == 1


def test_replies_need_a_topic_of_their_own_and_paths_a_shape_of_their_own() -> None:
    replies = [
        {"path": "/a/:x", "requestTopic": "q", "responseTopic": "q"},
        {"path": "/a/:y", "requestTopic": "q", "responseTopic": "r"},
    ]
    problems = problems_of({"kafka": {"brokers": ["a:1"], "requestResponse": replies}})
    assert set(problems) == {"kafka.requestResponse[0].responseTopic", "kafka.requestResponse[1].path"}


def test_simple_dead_letters_can_be_asked_for() -> None:
    assert options_of(GUIDE).dlq_format is DeadLetterFormat.ORIGINAL
    assert options_of(document(dlqFormat="simple")).dlq_format is DeadLetterFormat.SIMPLE


@pytest.mark.parametrize(
    "data",
    [
        document(topics=[webhook(retries=0)]),
        document(topics=[webhook(retryDelay=249)]),
        document(topics=[webhook(method="GET")]),
        document(topics=[webhook(topic="a b")]),
        document(topics=[webhook(topic=".")]),
        document(topics=[webhook(dlq="..")]),
        document(topics=[webhook(extra=1)]),
        document(concurrency=0),
        document(consumer={"groupId": "g", "mode": "somewhere"}),
        document(consumer={"groupId": "g", "mode": "manual", "offsets": []}),
        document(consumer={"groupId": "g", "mode": "manual", "offsets": [{**ORIGIN, "offset": -1}]}),
        document(consumer={"groupId": "g", "isolationLevel": "SERIALIZABLE"}),
        document(requestResponse=[{"path": "/a", "requestTopic": "q", "responseTopic": "a", "timeout": 999}]),
    ],
)
def test_schema_refuses(data: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, service_file(TYPE.schema))


def test_publishing_and_its_guard_are_understood(tmp_path: Path) -> None:
    (tmp_path / "order.json").write_text('{"type": "object"}')
    data = document(
        publish={
            "topics": ["orders", "audit"],
            "headers": ["Content-Type", "X-*"],
            "bodyLimit": 2_000_000,
            "idempotencyWindow": 1000,
            "schemas": {"orders": "order.json", "audit": {"type": "string"}},
        },
        auth={"apiKeys": ["one"], "header": "X-Key"},
    )
    configured = TYPE.configure(data, Placement(id="kafka-hooks", path=tmp_path, services=PLACEMENT.services))
    options = configured.options
    assert isinstance(options, KafkaHooksOptions)
    assert options.publish == PublishOptions(
        topics=frozenset({"orders", "audit"}),
        headers=("content-type", "x-*"),
        body_limit=2_000_000,
        idempotency_window=1.0,
        schemas={"orders": read_schema("order.json", tmp_path), "audit": read_schema({"type": "string"}, tmp_path)},
    )
    assert options.auth is not None
    assert (options.auth.header, len(options.auth.key_digests)) == ("x-key", 1)
    assert pickle.loads(pickle.dumps(options)) == options


def test_problems_of_publishing_are_named_with_their_key(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    data = document(
        publish={
            "bodyLimit": 1000,
            "bufferLimit": 1000,
            "schemas": {"orders": "none.json", "logs": str(tmp_path / "bad.json"), "plain": {"type": 1}, "x": {}},
        },
        auth={"jwt": {}},
    )
    problems = problems_of(data)
    assert set(problems) == {
        "auth.jwt",
        "publish.bufferLimit",
        "publish.schemas.logs",
        "publish.schemas.orders",
        "publish.schemas.plain",
        "publish.schemas.x",
    }
    assert "none.json cannot be read" in problems["publish.schemas.orders"]


def test_service_that_gives_the_keys_for_tokens_has_to_be_there() -> None:
    def with_keys_at(url: str) -> dict[str, Any]:
        return document(auth={"jwt": {"jwks": url}})

    assert "gateway" in configure(with_keys_at("http://gateway.plt.local/jwks")).calls
    assert "no service 'gatway'" in problems_of(with_keys_at("http://gatway.plt.local/jwks"))["auth.jwt.jwks"]


def test_publishing_alone_is_enough() -> None:
    options = options_of({"brokers": ["a:1"], "publish": {"topics": ["audit"]}})
    assert (options.webhooks, options.publish.topics) == ((), frozenset({"audit"}))
