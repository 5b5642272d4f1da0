"""Reads a service's document, in either of its two shapes, into frozen options.

Flat keys are the shape of the original's guide, a `kafka` block is that of the original itself; both mean the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pywatt.errors import Problem
from pywatt.service_type import Configured, OptionsError, Placement
from pywatt_kafka.connection.addresses import with_port
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_kafka.errors import KafkaError
from pywatt_services.kafka_hooks.auth.options import auth_options
from pywatt_services.kafka_hooks.config.consumer_options import consumer_options
from pywatt_services.kafka_hooks.config.milliseconds import MILLISECONDS
from pywatt_services.kafka_hooks.config.options import (
    EMBEDDED,
    ONLY_POST,
    KafkaHooksOptions,
    OperationsOptions,
    RequestReplyOptions,
)
from pywatt_services.kafka_hooks.config.required_packages import requirements
from pywatt_services.kafka_hooks.config.security_options import read_security
from pywatt_services.kafka_hooks.config.share_options import check_share, is_share
from pywatt_services.kafka_hooks.config.topic_options import DEFAULTED, check_url, read_entry, with_defaults
from pywatt_services.kafka_hooks.http.routes import PathPattern, taken_by
from pywatt_services.kafka_hooks.patterns.topic_patterns import expression, matches, own_topics
from pywatt_services.kafka_hooks.publishing.options import publish_options
from pywatt_services.kafka_hooks.webhooks.options import Order, WebhookOptions

LARGEST = 2**53
"""Numbers above it lose precision as seconds, or overflow."""
NOT_COUNTED_WITH = frozenset({"filter", "schemas"})
"""Keys with numbers that are only compared."""
BLOCK = "kafka"
KEYS = (
    "brokers", "topics", "requestResponse", "consumer", "concurrency", "dlqFormat", "serialization", *DEFAULTED,
    "publish", "auth", "operations", "security", "engine",
)  # fmt: skip


def configure(document: Mapping[str, Any], placement: Placement) -> Configured:
    """Return the options of a document that passed the schema, and the ids of the services it calls."""
    if too_large := tuple(_too_large(document)):
        raise OptionsError(*too_large)
    reader = _Reader(document, placement)
    options = reader.options()
    if reader.problems:
        raise OptionsError(*reader.problems)
    return Configured(
        metrics_page="/metrics?worker=own",
        options=options,
        calls=tuple(dict.fromkeys(reader.calls)),
        needs_broker=EMBEDDED in options.brokers,
        requires=tuple(requirements(options)),
    )


def _too_large(value: Any, key: str = "") -> Iterator[Problem]:
    """Yield a problem for each number above LARGEST."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if name not in NOT_COUNTED_WITH:
                yield from _too_large(each, f"{key}.{name}" if key else name)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _too_large(each, f"{key}[{number}]")
    elif isinstance(value, int | float) and not abs(value) <= LARGEST:
        yield Problem(message=f"{key.rpartition('.')[2]} is too large a number", key=key, hint=f"{LARGEST} at most")


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
                self.report_problem(
                    key, f"{key} is given twice: here and at the top level", "keep one of them", prefix=False
                )
        self._settings = {**{key: document[key] for key in KEYS if key in document}, **block}

    def report_problem(self, key: str, message: str, hint: str, *, prefix: bool = True) -> None:
        self.problems.append(Problem(message=message, key=(self._prefix if prefix else "") + key, hint=hint))

    def options(self) -> KafkaHooksOptions:
        settings = self._settings
        if not settings.get("brokers"):
            self.report_problem(
                "brokers", "brokers is missing", 'such as "brokers": ["{KAFKA_BROKERS}"] or ["embedded"]'
            )
        self._check_brokers(settings.get("brokers", ()))
        if is_share(settings):
            check_share(settings, self.report_problem)
            settings = {**settings, "order": Order.NONE.value}
        webhooks = tuple(
            read_entry(
                f"topics[{number}]", with_defaults(entry, settings), self._placement, self.report_problem, self.calls
            )
            for number, entry in enumerate(settings.get("topics", ()))
        )
        replies = tuple(self._reply(number, entry) for number, entry in enumerate(settings.get("requestResponse", ())))
        if not webhooks and not replies and not settings.get("publish", {}).get("topics"):
            self.report_problem("topics", "neither topics nor requestResponse has an entry", "add a topic and its url")
        self._check_topics(webhooks, replies)
        self._check_retry_topics(webhooks, replies)
        self._check_paths(replies, dlq=settings.get("operations", {}).get("dlq", False))
        never = own_topics(webhooks, replies)
        pattern = expression((webhook.topic for webhook in webhooks if webhook.by_pattern), never)
        auth = settings.get("auth")
        token = (auth or {}).get("jwt") or {}
        for name in ("jwks", "oidc"):
            if token.get(name, "").startswith("http://"):
                check_url(f"auth.jwt.{name}", token[name], self._placement, self.report_problem, self.calls)
        return KafkaHooksOptions(
            brokers=tuple(settings.get("brokers", ())),
            webhooks=webhooks,
            request_replies=replies,
            consumer=consumer_options(
                settings.get("consumer", {}),
                needed=bool(webhooks),
                reads=partial(_is_read, webhooks, pattern),
                report_problem=self.report_problem,
            ),
            security=read_security(
                settings.get("security", {}), settings.get("consumer", {}), self._placement.path, self.report_problem
            ),
            engine=settings.get("engine", "aiokafka"),
            concurrency=settings.get("concurrency", 10),
            dlq_format=DeadLetterFormat(settings.get("dlqFormat", DeadLetterFormat.ORIGINAL.value)),
            publish=publish_options(
                settings.get("publish", {}),
                topics=frozenset(
                    [
                        *(webhook.topic for webhook in webhooks if not webhook.by_pattern),
                        *(each.response_topic for each in replies),
                    ]
                ),
                pattern=pattern,
                folder=self._placement.path,
                report_problem=self.report_problem,
            ),
            operations=OperationsOptions(**settings.get("operations", {})),
            auth=None
            if auth is None
            else auth_options(auth, folder=self._placement.path, report_problem=self.report_problem),
        )

    def _reply(self, number: int, entry: Mapping[str, Any]) -> RequestReplyOptions:
        key = f"requestResponse[{number}]"
        try:
            path = PathPattern.parse(entry["path"])
        except ValueError as error:
            self.report_problem(
                f"{key}.path", f"{entry['path']} cannot be used as a path: {error}", "such as /api/jobs/:id"
            )
            path = PathPattern(())
        if entry["requestTopic"] == entry["responseTopic"]:
            self.report_problem(
                f"{key}.responseTopic", "requests and responses have the same topic", "choose two topics"
            )
        return RequestReplyOptions(
            path=path,
            request_topic=entry["requestTopic"],
            response_topic=entry["responseTopic"],
            timeout=entry.get("timeout", 30_000) / MILLISECONDS,
            methods=frozenset(entry.get("methods", ONLY_POST)),
        )

    def _check_brokers(self, brokers: Sequence[str]) -> None:
        if EMBEDDED in brokers and set(brokers) != {EMBEDDED}:
            hint = f'keep ["{EMBEDDED}"] alone, or the addresses'
            self.report_problem(
                "brokers", f"{EMBEDDED} is the app's own broker, which is no part of another cluster", hint
            )
        for number, address in enumerate(brokers):
            try:
                if address != EMBEDDED:
                    with_port(address)
            except KafkaError as error:
                self.report_problem(f"brokers[{number}]", error.message, error.hint)

    def _check_topics(self, webhooks: tuple[WebhookOptions, ...], replies: tuple[RequestReplyOptions, ...]) -> None:
        seen: dict[WebhookOptions, int] = {}
        dead_letters: dict[str, set[str]] = {}
        for number, webhook in enumerate(webhooks):
            if webhook in seen:
                first = f"{self._prefix}topics[{seen[webhook]}]"
                hint = "a topic may have several entries, but they have to differ: remove one"
                self.report_problem(
                    f"topics[{number}]", f"{first} says the same, so its webhook would get all twice", hint
                )
            seen.setdefault(webhook, number)
            if webhook.by_pattern:
                continue  # it means no topic of dead letters
            dead_letters.setdefault(webhook.topic, set()).update({webhook.dlq} if webhook.dlq is not None else ())
        exchanged = {
            topic: number for number, each in enumerate(replies) for topic in (each.request_topic, each.response_topic)
        }
        for number, webhook in enumerate(webhooks):
            if webhook.dlq in exchanged:
                other = f"{self._prefix}requestResponse[{exchanged[webhook.dlq]}]"
                message = f"dead letters would be taken for the requests and responses of {other}"
                self.report_problem(f"topics[{number}].dlq", message, "give dead letters a topic of their own")
            if webhook.dlq is not None and _leads_back(webhook.topic, webhook.dlq, dead_letters):
                message = f"dead letters of {webhook.topic} come back to {webhook.topic}"
                self.report_problem(f"topics[{number}].dlq", message, "name a topic that is not read here")

    def _check_retry_topics(
        self, webhooks: tuple[WebhookOptions, ...], replies: tuple[RequestReplyOptions, ...]
    ) -> None:
        taken = {topic: "requestResponse" for each in replies for topic in (each.request_topic, each.response_topic)}
        taken |= {webhook.dlq: "dlq" for webhook in webhooks if webhook.dlq is not None}
        taken |= {webhook.topic: "topic" for webhook in webhooks if not webhook.by_pattern}
        for number, webhook in enumerate(webhooks):
            topic = webhook.retry.topic
            if topic is None:
                continue
            if topic in taken:
                message = f"the retry topic {topic} is also given as {taken[topic]}"
                self.report_problem(
                    f"topics[{number}].retry.topic", message, "each entry needs a retry topic of its own"
                )
            taken[topic] = f"the retry topic of topics[{number}]"

    def _check_paths(self, replies: tuple[RequestReplyOptions, ...], *, dlq: bool) -> None:
        seen: dict[tuple[str, ...], int] = {}
        for number, reply in enumerate(replies):
            owner = taken_by(reply.path, dlq=dlq)
            if owner is not None:
                message = f"/{'/'.join(reply.path.segments)} {owner}"
                self.report_problem(
                    f"requestResponse[{number}].path", message, "choose another path, such as /api/jobs/:id"
                )
            shape = reply.path.shape
            if shape and shape in seen:
                first = f"{self._prefix}requestResponse[{seen[shape]}]"
                self.report_problem(
                    f"requestResponse[{number}].path", f"{first} takes the same paths", "change one of them"
                )
            seen.setdefault(shape, number)


def _is_read(webhooks: tuple[WebhookOptions, ...], pattern: str | None, topic: str) -> bool:
    return matches(topic, pattern) or any(not webhook.by_pattern and webhook.topic == topic for webhook in webhooks)


def _leads_back(topic: str, step: str, dead_letters: Mapping[str, set[str]]) -> bool:
    """Tell whether a record of `topic` that becomes a dead letter in `step` can return to `topic`."""
    reached = {step}
    while new := {dlq for each in reached for dlq in dead_letters.get(each, ())} - reached:
        reached |= new
    return topic in reached
