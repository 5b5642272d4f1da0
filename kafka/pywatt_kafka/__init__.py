"""The Kafka client library of pywatt apps.

Importing it is light: a public name loads its module when it is first used (PEP 562), and aiokafka or confluent-kafka
is loaded when the first client is made.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pywatt_kafka.admin.admin import Admin
    from pywatt_kafka.admin.configs import Config
    from pywatt_kafka.admin.groups import Group, GroupDescription, GroupMember, OffsetReset
    from pywatt_kafka.admin.leave_group import leave_group
    from pywatt_kafka.admin.topics import NewTopic, Partition, Topic, TopicDescription, ensure_topics, list_topics
    from pywatt_kafka.connection.addresses import brokers_from
    from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus
    from pywatt_kafka.consuming.assignment_listener import AssignmentListener
    from pywatt_kafka.consuming.consumer import Consumer
    from pywatt_kafka.consuming.group_reader import GroupReader
    from pywatt_kafka.consuming.stream import ConsumerStream
    from pywatt_kafka.consuming.stream_message import StreamMessage
    from pywatt_kafka.consuming.without_group.tail_reader import TailReader
    from pywatt_kafka.engine.fetching import Fetching, Isolation
    from pywatt_kafka.engine.membership import Membership
    from pywatt_kafka.errors import (
        BrokerFailed,
        ClientClosed,
        CommitFailed,
        Fenced,
        InvalidRecord,
        KafkaError,
        KafkaUnavailable,
        MissingDependency,
        NotAcknowledged,
        NotAuthorized,
        OffsetOutOfRange,
        RecordTooLarge,
        SerializationFailed,
        TransactionAborted,
        UnknownPartition,
        UnknownTopic,
        WrongLoop,
    )
    from pywatt_kafka.lag.group_lag import GroupLag, PartitionLag
    from pywatt_kafka.lag.lag_reader import LagReader, consumer_lag
    from pywatt_kafka.lag.verdict import Finding, LagRules, LagWindow, Verdict
    from pywatt_kafka.producing.producer import Producer
    from pywatt_kafka.producing.record_fields import HeadersToSend, ProducerRecord
    from pywatt_kafka.records import Header, Headers, Message, Offset, RecordPosition, TopicPartition, Unstable
    from pywatt_kafka.request_response.messages import Call, Reply
    from pywatt_kafka.request_response.responder import Responder
    from pywatt_kafka.security.oauth import ClientCredentials, FixedToken, TokenSource
    from pywatt_kafka.security.options import Mechanism, Sasl, Security, Tls
    from pywatt_kafka.serde.bad_values import OnBadValue
    from pywatt_kafka.serde.json_serde import Json
    from pywatt_kafka.serde.primitives import Bytes, String
    from pywatt_kafka.serde.protocols import Deserializer, Serde, Serializer
    from pywatt_kafka.serde.serializers import (
        Deserializers,
        Serializers,
        bytes_deserializers,
        bytes_serializers,
        json_deserializers,
        json_serializers,
        string_deserializers,
        string_serializers,
    )
    from pywatt_kafka.share_groups.share_consumer import ShareConsumer
    from pywatt_kafka.share_groups.shared_message import SharedMessage

__all__ = [
    "Admin",
    "AssignmentListener",
    "BrokerFailed",
    "Bytes",
    "Call",
    "ClientClosed",
    "ClientCredentials",
    "CommitFailed",
    "Config",
    "ConnectionState",
    "ConnectionStatus",
    "Consumer",
    "ConsumerStream",
    "Deserializer",
    "Deserializers",
    "Fenced",
    "Fetching",
    "Finding",
    "FixedToken",
    "Group",
    "GroupDescription",
    "GroupLag",
    "GroupMember",
    "GroupReader",
    "Header",
    "Headers",
    "HeadersToSend",
    "InvalidRecord",
    "Isolation",
    "Json",
    "KafkaError",
    "KafkaUnavailable",
    "LagReader",
    "LagRules",
    "LagWindow",
    "Mechanism",
    "Membership",
    "Message",
    "MissingDependency",
    "NewTopic",
    "NotAcknowledged",
    "NotAuthorized",
    "Offset",
    "OffsetOutOfRange",
    "OffsetReset",
    "OnBadValue",
    "Partition",
    "PartitionLag",
    "Producer",
    "ProducerRecord",
    "RecordPosition",
    "RecordTooLarge",
    "Reply",
    "Responder",
    "Sasl",
    "Security",
    "Serde",
    "SerializationFailed",
    "Serializer",
    "Serializers",
    "ShareConsumer",
    "SharedMessage",
    "StreamMessage",
    "String",
    "TailReader",
    "Tls",
    "TokenSource",
    "Topic",
    "TopicDescription",
    "TopicPartition",
    "TransactionAborted",
    "UnknownPartition",
    "UnknownTopic",
    "Unstable",
    "Verdict",
    "WrongLoop",
    "brokers_from",
    "bytes_deserializers",
    "bytes_serializers",
    "consumer_lag",
    "ensure_topics",
    "json_deserializers",
    "json_serializers",
    "leave_group",
    "list_topics",
    "string_deserializers",
    "string_serializers",
]

_EXPORTS = {
    "admin.admin": ("Admin",),
    "admin.configs": ("Config",),
    "admin.groups": (
        "Group",
        "GroupDescription",
        "GroupMember",
        "OffsetReset",
    ),
    "admin.leave_group": ("leave_group",),
    "admin.topics": (
        "NewTopic",
        "Partition",
        "Topic",
        "TopicDescription",
        "ensure_topics",
        "list_topics",
    ),
    "connection.addresses": ("brokers_from",),
    "connection.status": (
        "ConnectionState",
        "ConnectionStatus",
    ),
    "consuming.consumer": ("Consumer",),
    "consuming.assignment_listener": ("AssignmentListener",),
    "consuming.group_reader": ("GroupReader",),
    "consuming.stream": ("ConsumerStream",),
    "consuming.stream_message": ("StreamMessage",),
    "consuming.without_group.tail_reader": ("TailReader",),
    "engine.fetching": (
        "Fetching",
        "Isolation",
    ),
    "engine.membership": ("Membership",),
    "errors": (
        "BrokerFailed",
        "ClientClosed",
        "CommitFailed",
        "Fenced",
        "InvalidRecord",
        "KafkaError",
        "KafkaUnavailable",
        "MissingDependency",
        "NotAcknowledged",
        "NotAuthorized",
        "OffsetOutOfRange",
        "RecordTooLarge",
        "SerializationFailed",
        "TransactionAborted",
        "UnknownPartition",
        "UnknownTopic",
        "WrongLoop",
    ),
    "lag.group_lag": (
        "GroupLag",
        "PartitionLag",
    ),
    "lag.lag_reader": (
        "LagReader",
        "consumer_lag",
    ),
    "lag.verdict": (
        "Finding",
        "LagRules",
        "LagWindow",
        "Verdict",
    ),
    "producing.producer": ("Producer",),
    "producing.record_fields": (
        "HeadersToSend",
        "ProducerRecord",
    ),
    "records": (
        "Header",
        "Headers",
        "Message",
        "Offset",
        "RecordPosition",
        "TopicPartition",
        "Unstable",
    ),
    "request_response.messages": (
        "Call",
        "Reply",
    ),
    "request_response.responder": ("Responder",),
    "security.oauth": (
        "ClientCredentials",
        "FixedToken",
        "TokenSource",
    ),
    "security.options": (
        "Mechanism",
        "Sasl",
        "Security",
        "Tls",
    ),
    "serde.bad_values": ("OnBadValue",),
    "serde.json_serde": ("Json",),
    "serde.primitives": (
        "Bytes",
        "String",
    ),
    "serde.protocols": (
        "Deserializer",
        "Serde",
        "Serializer",
    ),
    "serde.serializers": (
        "Deserializers",
        "Serializers",
        "bytes_deserializers",
        "bytes_serializers",
        "json_deserializers",
        "json_serializers",
        "string_deserializers",
        "string_serializers",
    ),
    "share_groups.share_consumer": ("ShareConsumer",),
    "share_groups.shared_message": ("SharedMessage",),
}
_MODULES = {name: module for module, names in _EXPORTS.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name. Raises AttributeError."""
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})
