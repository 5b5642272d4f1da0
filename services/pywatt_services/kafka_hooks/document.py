"""From a service's document, in either of its two shapes, to frozen options.

Flat keys are the shape of the original's guide, a `kafka` block is that of the original itself; both mean the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pywatt.errors import MeshError, Problem
from pywatt.mesh.address import ServiceAddress, locate, unknown_service
from pywatt.service_type import Configured, OptionsError, Placement
from pywatt_services.kafka_hooks.config import (
    DEFAULT_DLQ,
    EMBEDDED,
    ConsumerOptions,
    DeadLetterFormat,
    KafkaHooksOptions,
    RequestReplyOptions,
    StartAt,
    WebhookOptions,
)
from pywatt_services.kafka_hooks.headers import is_reserved, legal_name, legal_value
from pywatt_services.kafka_hooks.retry import RetryPolicy
from pywatt_services.kafka_hooks.routes import PathPattern

MILLISECONDS = 1000.0
BLOCK = "kafka"
PUBLISH_PREFIX = "topics"
KEYS = ("brokers", "topics", "requestResponse", "consumer", "concurrency", "dlqFormat", "serialization")
INSECURE_WITHOUT = ("sasl", "tls", "ssl")


def configure(document: Mapping[str, Any], placement: Placement) -> Configured:
    """Return the options of a document that passed the schema, and the ids of the services it calls."""
    reader = _Reader(document, placement)
    options = reader.options()
    if reader.problems:
        raise OptionsError(*reader.problems)
    return Configured(
        options=options, calls=tuple(dict.fromkeys(reader.calls)), needs_broker=EMBEDDED in options.brokers
    )


class _Reader:
    """Collects all problems of one document instead of stopping at the first."""

    def __init__(self, document: Mapping[str, Any], placement: Placement) -> None:
        self.problems: list[Problem] = []
        self.calls: list[str] = []
        self._placement = placement
        block: Mapping[str, Any] = document.get(BLOCK, {})
        self._prefix = f"{BLOCK}." if BLOCK in document else ""
        for key in KEYS:
            if key in block and key in document:
                self.problem(key, f"{key} is given twice: here and at the top level", "keep one of them", prefix=False)
        self._settings = {**{key: document[key] for key in KEYS if key in document}, **block}

    def problem(self, key: str, message: str, hint: str, *, prefix: bool = True) -> None:
        self.problems.append(Problem(message=message, key=(self._prefix if prefix else "") + key, hint=hint))

    def options(self) -> KafkaHooksOptions:
        settings = self._settings
        if not settings.get("brokers"):
            self.problem("brokers", "brokers is missing", 'such as "brokers": ["{KAFKA_BROKERS}"] or ["embedded"]')
        webhooks = tuple(self._webhook(number, entry) for number, entry in enumerate(settings.get("topics", ())))
        replies = tuple(self._reply(number, entry) for number, entry in enumerate(settings.get("requestResponse", ())))
        if not webhooks and not replies:
            self.problem("topics", "neither topics nor requestResponse has an entry", "add a topic and its url")
        self._check_topics(webhooks)
        self._check_paths(replies)
        return KafkaHooksOptions(
            brokers=tuple(settings.get("brokers", ())),
            webhooks=webhooks,
            request_replies=replies,
            consumer=self._consumer(settings.get("consumer", {}), needed=bool(webhooks)),
            concurrency=settings.get("concurrency", 10),
            dlq_format=DeadLetterFormat(settings.get("dlqFormat", DeadLetterFormat.ORIGINAL.value)),
            publishable=frozenset(
                [*(webhook.topic for webhook in webhooks), *(reply.response_topic for reply in replies)]
            ),
        )

    def _webhook(self, number: int, entry: Mapping[str, Any]) -> WebhookOptions:
        key = f"topics[{number}]"
        self._check_url(f"{key}.url", entry["url"])
        dlq = entry.get("dlq", True)
        return WebhookOptions(
            topic=entry["topic"],
            url=entry["url"],
            method=entry.get("method", "POST"),
            headers=tuple(self._headers(f"{key}.headers", entry.get("headers", {}))),
            retry=RetryPolicy(attempts=entry.get("retries", 3), delay=entry.get("retryDelay", 1000) / MILLISECONDS),
            dlq=DEFAULT_DLQ if dlq is True else None if dlq is False else dlq,
            include_attempt=entry.get("includeAttemptInRequests", True),
        )

    def _headers(self, key: str, headers: Mapping[str, str]) -> Iterable[tuple[bytes, bytes]]:
        for name, text in headers.items():
            value = text.strip(" \t").encode("utf-8")
            if not legal_name(name) or not legal_value(value):
                self.problem(f"{key}.{name}", f"{name!r} is not a header that HTTP can carry", "check name and value")
            elif is_reserved(name):
                self.problem(f"{key}.{name}", f"the header {name} is made by pywatt", "leave it out")
            else:
                yield name.lower().encode("ascii"), value

    def _check_url(self, key: str, url: str) -> None:
        try:
            destination = locate(url).destination
        except MeshError as error:
            self.problem(key, error.message, error.hint or "such as http://api.plt.local/webhooks/orders")
            return
        if isinstance(destination, ServiceAddress):
            known = {name.lower(): name for name in self._placement.services}
            if destination.id not in known:
                unknown = unknown_service(destination.id, self._placement.services)
                self.problem(key, unknown.message, unknown.hint)
            elif known[destination.id] != self._placement.id:
                self.calls.append(known[destination.id])

    def _reply(self, number: int, entry: Mapping[str, Any]) -> RequestReplyOptions:
        key = f"requestResponse[{number}]"
        try:
            path = PathPattern.parse(entry["path"])
        except ValueError as error:
            self.problem(f"{key}.path", f"{entry['path']} cannot be used as a path: {error}", "such as /api/jobs/:id")
            path = PathPattern(())
        if path.segments[:1] == (PUBLISH_PREFIX,) and len(path.segments) == 2:
            self.problem(f"{key}.path", f"{entry['path']} is the path for publishing", "choose another path")
        if entry["requestTopic"] == entry["responseTopic"]:
            self.problem(f"{key}.responseTopic", "requests and responses have the same topic", "choose two topics")
        return RequestReplyOptions(
            path=path,
            request_topic=entry["requestTopic"],
            response_topic=entry["responseTopic"],
            timeout=entry.get("timeout", 30_000) / MILLISECONDS,
        )

    def _check_topics(self, webhooks: tuple[WebhookOptions, ...]) -> None:
        seen: dict[str, int] = {}
        for number, webhook in enumerate(webhooks):
            if webhook.topic in seen:
                first = f"{self._prefix}topics[{seen[webhook.topic]}]"
                hint = "one topic has one webhook: remove an entry"
                self.problem(f"topics[{number}].topic", f"{webhook.topic} has a webhook already, at {first}", hint)
            seen.setdefault(webhook.topic, number)
        dead_letters = {webhook.topic: webhook.dlq for webhook in webhooks}
        for number, webhook in enumerate(webhooks):
            if _leads_back(webhook.topic, dead_letters):
                message = f"dead letters of {webhook.topic} come back to {webhook.topic}"
                self.problem(f"topics[{number}].dlq", message, "name a topic that is not read here")

    def _check_paths(self, replies: tuple[RequestReplyOptions, ...]) -> None:
        seen: dict[tuple[str, ...], int] = {}
        for number, reply in enumerate(replies):
            shape = reply.path.shape
            if shape and shape in seen:
                first = f"{self._prefix}requestResponse[{seen[shape]}]"
                self.problem(f"requestResponse[{number}].path", f"{first} takes the same paths", "change one of them")
            seen.setdefault(shape, number)

    def _consumer(self, entry: Mapping[str, Any], *, needed: bool) -> ConsumerOptions | None:
        for key in INSECURE_WITHOUT:
            if key in entry:
                hint = "connections would be in plain text without it"
                self.problem(f"consumer.{key}", f"{key} is not supported yet", hint)
        group = entry.get("groupId")
        if group is None:
            if needed:
                hint = 'such as "consumer": {"groupId": "kafka-hooks-consumer"}'
                self.problem("consumer.groupId", "topics are delivered, but consumer.groupId is missing", hint)
            return None
        defaults = ConsumerOptions(group_id=group)
        mode = entry.get("mode", "committed")
        return ConsumerOptions(
            group_id=group,
            start_at=StartAt(entry.get("fallbackMode", StartAt.EARLIEST.value) if mode == "committed" else mode),
            group_instance_id=entry.get("groupInstanceId"),
            session_timeout=_seconds(entry, "sessionTimeout", defaults.session_timeout),
            rebalance_timeout=_seconds(entry, "rebalanceTimeout", defaults.rebalance_timeout),
            buffered_records=entry.get("highWaterMark", defaults.buffered_records),
        )


def _seconds(entry: Mapping[str, Any], key: str, default: float) -> float:
    return entry[key] / MILLISECONDS if key in entry else default


def _leads_back(topic: str, dead_letters: Mapping[str, str | None]) -> bool:
    seen: set[str] = set()
    step = dead_letters[topic]
    while step is not None and step != topic and step not in seen:
        seen.add(step)
        step = dead_letters.get(step)
    return step == topic
