"""kafka-hooks' options after loading: frozen, complete, picklable. Durations are seconds, in the files milliseconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_kafka.engine.fetching import Fetching
from pywatt_kafka.engine.settings import EngineName
from pywatt_kafka.security.options import Security
from pywatt_services.kafka_hooks.auth.options import AuthOptions
from pywatt_services.kafka_hooks.http.routes import PathPattern
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions

ONLY_POST = frozenset({"POST"})
EMBEDDED = "embedded"
"""The word in `brokers` for the app's own development broker."""


class StartAt(enum.Enum):
    """Start of a partition for which the group has committed nothing."""

    EARLIEST = "earliest"
    LATEST = "latest"
    FAIL = "fail"
    """The partition is not read: a missing commit is a mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestReplyOptions:
    """One entry of `requestResponse`: a path with its request and response topics."""

    path: PathPattern
    request_topic: str
    response_topic: str
    timeout: float = 30.0
    """Seconds that a client waits for the reply before it gets a 504."""
    methods: frozenset[str] = ONLY_POST
    """Methods of clients; if there are more than POST, the request's record names its method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenOffset:
    """Start offset of a partition, instead of StartAt."""

    topic: str
    partition: int
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsumerOptions:
    """Options of the group member that reads for the webhooks."""

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
    is_share: bool = False
    """True if the group is a share group: `start_at` and the isolation are given to the group."""
    share_session_timeout: float | None = None
    """Given to a share group; None: it keeps its own."""
    max_records: int | None = None
    """Records that a member of a share group holds at once, about; None: twice the concurrency."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationsOptions:
    """Access to `/metrics`, `/why` and `/dlq`."""

    dlq: bool = False
    """True if dead letters can be listed, redriven and deleted over HTTP."""
    public: bool = False
    """True if requests from outside the app are answered too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaHooksOptions:
    """Options of one kafka-hooks service."""

    brokers: tuple[str, ...]
    """`host:port` each, or the single word `embedded`."""
    security: Security | None = None
    """Security of all clients; None: taken from the environment."""
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
    """Credentials of HTTP clients; None: none are needed."""
    operations: OperationsOptions = field(default_factory=OperationsOptions)

    @property
    def is_share(self) -> bool:
        """True if the records come from a share group."""
        return self.consumer is not None and self.consumer.is_share
