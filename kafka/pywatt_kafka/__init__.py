"""The Kafka client library of pywatt apps.

Importing it is light: aiokafka is loaded when the first client is made.
"""

from __future__ import annotations

from pywatt_kafka.addresses import brokers_from
from pywatt_kafka.connection import ConnectionState, ConnectionStatus
from pywatt_kafka.consumer import AssignmentListener, Consumer
from pywatt_kafka.errors import (
    BrokerFailed,
    CommitFailed,
    KafkaError,
    KafkaUnavailable,
    MissingDependency,
    NotAuthorized,
    RecordTooLarge,
    UnknownTopic,
)
from pywatt_kafka.lag import consumer_lag
from pywatt_kafka.producer import Producer
from pywatt_kafka.records import Header, Headers, Message, Offset, RecordPosition, TopicPartition
from pywatt_kafka.tail import TailReader
from pywatt_kafka.topics import ensure_topics

__all__ = [
    "AssignmentListener",
    "BrokerFailed",
    "CommitFailed",
    "ConnectionState",
    "ConnectionStatus",
    "Consumer",
    "Header",
    "Headers",
    "KafkaError",
    "KafkaUnavailable",
    "Message",
    "MissingDependency",
    "NotAuthorized",
    "Offset",
    "Producer",
    "RecordPosition",
    "RecordTooLarge",
    "TailReader",
    "TopicPartition",
    "UnknownTopic",
    "brokers_from",
    "consumer_lag",
    "ensure_topics",
]
