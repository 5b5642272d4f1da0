"""kafka-hooks' options after loading: frozen, complete, picklable. Durations are seconds, in the files milliseconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pywatt_services.kafka_hooks.retry import RetryPolicy
from pywatt_services.kafka_hooks.routes import PathPattern

DEFAULT_DLQ = "plt-kafka-hooks-dlq"
EMBEDDED = "embedded"
"""The word in `brokers` that stands for the app's own development broker."""


class StartAt(enum.Enum):
    """Where a partition is read from when the group has not committed anything for it."""

    EARLIEST = "earliest"
    LATEST = "latest"


class DeadLetterFormat(enum.Enum):
    """The shape of a dead letter's JSON."""

    ORIGINAL = "original"
    """What @platformatic/kafka-hooks produces: key, value, headers, topic, partition, offset, errors, retries."""
    SIMPLE = "simple"
    """What its guide shows: originalTopic, originalMessage, error, retryCount, timestamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """One entry of `topics`: where the records of a topic are delivered."""

    topic: str
    url: str
    method: str = "POST"
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Names in lower case."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    dlq: str | None = DEFAULT_DLQ
    """Topic of its dead letters; None: they are only logged."""
    include_attempt: bool = True
    """Whether requests carry the number of the attempt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReplyOptions:
    """One entry of `requestResponse`: a path whose requests are answered over two topics."""

    path: PathPattern
    request_topic: str
    response_topic: str
    timeout: float = 30.0
    """Seconds that a client waits for the reply before it gets a 504."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """How the webhooks' records are read."""

    group_id: str
    start_at: StartAt = StartAt.EARLIEST
    group_instance_id: str | None = None
    """Static member id of slot 0; further slots append their number. None: made of host, app, service and slot."""
    session_timeout: float = 10.0
    rebalance_timeout: float = 15.0
    buffered_records: int = 2048
    """Unfinished records held per partition before reading from it pauses. Original: `highWaterMark`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaHooksOptions:
    """Everything that one kafka-hooks service does."""

    brokers: tuple[str, ...]
    """`host:port` each, or the single word `embedded`."""
    webhooks: tuple[WebhookOptions, ...] = ()
    request_replies: tuple[RequestReplyOptions, ...] = ()
    consumer: ConsumerOptions | None = None
    """None only without webhooks."""
    concurrency: int = 10
    """Deliveries at once, per topic: a slow webhook holds up no other topic."""
    dlq_format: DeadLetterFormat = DeadLetterFormat.ORIGINAL
    publishable: frozenset[str] = field(default_factory=frozenset)
    """Topics that `POST /topics/:topic` takes: those of the webhooks and the response topics."""
