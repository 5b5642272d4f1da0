"""The Kafka client library of pywatt apps.

Importing it is light: aiokafka is loaded when the first client is made.
"""

from __future__ import annotations

from pywatt_kafka.addresses import brokers_from
from pywatt_kafka.call import Call, Reply
from pywatt_kafka.connection import ConnectionState, ConnectionStatus
from pywatt_kafka.consumer import AssignmentListener, Consumer
from pywatt_kafka.errors import (
    BrokerFailed,
    CommitFailed,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    MissingDependency,
    NotAcknowledged,
    NotAuthorized,
    RecordTooLarge,
    UnknownPartition,
    UnknownTopic,
)
from pywatt_kafka.fetching import Fetching, Isolation
from pywatt_kafka.lag import consumer_lag
from pywatt_kafka.leaving import leave_group
from pywatt_kafka.oauth import ClientCredentials, FixedToken, TokenSource
from pywatt_kafka.producer import Producer
from pywatt_kafka.records import Header, Headers, Message, Offset, RecordPosition, TopicPartition, Unstable
from pywatt_kafka.responder import Responder
from pywatt_kafka.security import Mechanism, Sasl, Security, Tls
from pywatt_kafka.tail import TailReader
from pywatt_kafka.topics import ensure_topics

__all__ = [
    "AssignmentListener",
    "BrokerFailed",
    "Call",
    "ClientCredentials",
    "CommitFailed",
    "ConnectionState",
    "ConnectionStatus",
    "Consumer",
    "Fetching",
    "FixedToken",
    "Header",
    "Headers",
    "InvalidRecord",
    "Isolation",
    "KafkaError",
    "KafkaUnavailable",
    "Mechanism",
    "Message",
    "MissingDependency",
    "NotAcknowledged",
    "NotAuthorized",
    "Offset",
    "Producer",
    "RecordPosition",
    "RecordTooLarge",
    "Reply",
    "Responder",
    "Sasl",
    "Security",
    "TailReader",
    "Tls",
    "TokenSource",
    "TopicPartition",
    "UnknownPartition",
    "UnknownTopic",
    "Unstable",
    "brokers_from",
    "consumer_lag",
    "ensure_topics",
    "leave_group",
]
