"""Options of one entry of `topics`. Frozen; durations are seconds."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pywatt.circuit_breaker import BreakerPolicy
from pywatt_services.kafka_hooks.webhooks.bundle import BundleOptions
from pywatt_services.kafka_hooks.webhooks.cloud_events import CloudEventOptions
from pywatt_services.kafka_hooks.webhooks.record_filter import RecordFilter
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy
from pywatt_services.kafka_hooks.webhooks.signature import SigningKey

DEFAULT_DLQ = "plt-kafka-hooks-dlq"


class Order(enum.Enum):
    """Order of deliveries within a partition."""

    KEY = "key"
    """Records with the same key; those without a key do not wait."""
    PARTITION = "partition"
    """All of them."""
    NONE = "none"
    """None of them."""


class Tombstones(enum.Enum):
    """Handling of a record without a value."""

    DELIVER = "deliver"
    """Delivered as an empty request."""
    IGNORE = "ignore"
    """Finished without a delivery."""
    DLQ = "dlq"
    """Made a dead letter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOptions:
    """One entry of `topics`: the target of a topic's records."""

    topic: str
    """Name of the topic or, with `by_pattern`, a regular expression for the whole names of many."""
    by_pattern: bool = False
    url: str
    """May be a template."""
    allow_private: bool | None = None
    """True if a URL outside the app may lead to a private address; None: only if the URL shows it."""
    method: str = "POST"
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    """Names in lower case. Not shown: a value may be a secret."""
    order: Order = Order.KEY
    concurrency: int | None = None
    """Deliveries at once; None: the service's number."""
    retry: RetryPolicy = field(default_factory=RetryPolicy)
    breaker: BreakerPolicy | None = None
    """None: a target is tried for ever."""
    tombstones: Tombstones = Tombstones.DELIVER
    dlq: str | None = DEFAULT_DLQ
    """Topic of its dead letters; None: they are only logged."""
    include_attempt: bool = True
    """True if requests carry the number of the attempt."""
    include_metadata: bool = True
    """True if requests carry topic, partition, offset, timestamp and the record's id."""
    signing_keys: tuple[SigningKey, ...] = ()
    """None: requests are not signed."""
    cloud_events: CloudEventOptions | None = None
    """None: requests are no events."""
    bundle: BundleOptions | None = None
    """None: each record has a request of its own."""
    filter: RecordFilter | None = None
    """Conditions for a record; one that does not meet them is finished. None: all are delivered."""
