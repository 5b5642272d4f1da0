"""kafka-hooks' options after loading: frozen, complete, picklable. Durations are seconds, in the files milliseconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pywatt_kafka.engine.fetching import Fetching
from pywatt_kafka.engine.settings import EngineName
from pywatt_kafka.security.options import Security
from pywatt_services.kafka_hooks.auth.options import AuthOptions
from pywatt_services.kafka_hooks.http.routes import PathPattern
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions

ONLY_POST = frozenset({"POST"})
EMBEDDED = "embedded"
"""The word in `brokers` that stands for the app's own development broker."""


class StartAt(enum.Enum):
    """Where a partition is read from when the group has not committed anything for it."""

    EARLIEST = "earliest"
    LATEST = "latest"
    FAIL = "fail"
    """It is not read: that nothing is committed is a mistake."""


class DeadLetterFormat(enum.Enum):
    """The shape of a dead letter's JSON."""

    ORIGINAL = "original"
    """What @platformatic/kafka-hooks produces: key, value, headers, topic, partition, offset, errors, retries."""
    SIMPLE = "simple"
    """What its guide shows: originalTopic, originalMessage, error, retryCount, timestamp."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReplyOptions:
    """One entry of `requestResponse`: a path whose requests are answered over two topics."""

    path: PathPattern
    request_topic: str
    response_topic: str
    timeout: float = 30.0
    """Seconds that a client waits for the reply before it gets a 504."""
    methods: frozenset[str] = ONLY_POST
    """What clients may use; when that is more than POST, the request's record names the one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenOffset:
    """Where a partition is read from, instead of what StartAt says."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """How the webhooks' records are read."""

    group_id: str
    start_at: StartAt = StartAt.EARLIEST
    offsets: tuple[GivenOffset, ...] = ()
    group_instance_id: str | None = None
    """Static member id of slot 0; further slots append their number. None: made of host, app, service and slot."""
    session_timeout: float = 10.0
    rebalance_timeout: float = 15.0
    heartbeat_interval: float | None = None
    """None: as short as the session timeout needs it."""
    buffered_records: int = 2048
    """Unfinished records held per partition before reading from it pauses. Original: `highWaterMark`."""
    fetching: Fetching = field(default_factory=Fetching)


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsOptions:
    """Who may look at the service's inside: `/metrics`, `/why`, `/dlq`."""

    dlq: bool = False
    """Whether dead letters can be looked at, sent back and deleted over HTTP."""
    public: bool = False
    """Whether requests from outside the app are answered too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaHooksOptions:
    """Everything that one kafka-hooks service does."""

    brokers: tuple[str, ...]
    """`host:port` each, or the single word `embedded`."""
    security: Security | None = None
    """Of all clients; None: what the environment says."""
    webhooks: tuple[WebhookOptions, ...] = ()
    request_replies: tuple[RequestReplyOptions, ...] = ()
    consumer: ConsumerOptions | None = None
    """None only without webhooks."""
    engine: EngineName = "aiokafka"
    """The Kafka library of the consumer and the producer."""
    concurrency: int = 10
    """Deliveries at once of each entry of `topics`: a slow webhook holds up no other."""
    dlq_format: DeadLetterFormat = DeadLetterFormat.ORIGINAL
    publish: PublishOptions = field(default_factory=PublishOptions)
    auth: AuthOptions | None = None
    """What HTTP clients have to show; None: nothing."""
    operations: OperationsOptions = field(default_factory=OperationsOptions)
