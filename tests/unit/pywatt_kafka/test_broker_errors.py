"""Both engines translate an error of a broker to the same class, code, hint and retriability."""

from __future__ import annotations

import pytest
from aiokafka.errors import for_code
from confluent_kafka import KafkaError as Native

from pywatt_kafka import (
    CommitFailed,
    Fenced,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    NotAuthorized,
    OffsetOutOfRange,
    RecordTooLarge,
    SerializationFailed,
    TransactionAborted,
    UnknownTopic,
)
from pywatt_kafka.aiokafka import errors as aiokafka_errors
from pywatt_kafka.aiokafka.client import require_aiokafka
from pywatt_kafka.broker_errors import CLASSES, HINTS, NAMES, RETRIABLE
from pywatt_kafka.rdkafka import errors as rdkafka_errors

KINDS = {
    "OFFSET_OUT_OF_RANGE": (OffsetOutOfRange, False),
    "CORRUPT_MESSAGE": (KafkaError, True),
    "UNKNOWN_TOPIC_OR_PARTITION": (UnknownTopic, True),
    "NOT_LEADER_OR_FOLLOWER": (KafkaUnavailable, True),
    "BROKER_NOT_AVAILABLE": (KafkaUnavailable, True),
    "MESSAGE_TOO_LARGE": (RecordTooLarge, False),
    "INVALID_TOPIC_EXCEPTION": (UnknownTopic, False),
    "NOT_ENOUGH_REPLICAS": (KafkaUnavailable, True),
    "ILLEGAL_GENERATION": (CommitFailed, False),
    "REBALANCE_IN_PROGRESS": (CommitFailed, False),
    "TOPIC_AUTHORIZATION_FAILED": (NotAuthorized, False),
    "SASL_AUTHENTICATION_FAILED": (NotAuthorized, False),
    "OUT_OF_ORDER_SEQUENCE_NUMBER": (KafkaUnavailable, True),
    "INVALID_PRODUCER_EPOCH": (Fenced, False),
    "CONCURRENT_TRANSACTIONS": (KafkaUnavailable, True),
    "TRANSACTIONAL_ID_AUTHORIZATION_FAILED": (NotAuthorized, False),
    "FENCED_INSTANCE_ID": (Fenced, False),
    "INVALID_RECORD": (InvalidRecord, False),
    "PRODUCER_FENCED": (Fenced, False),
    "TRANSACTION_ABORTABLE": (TransactionAborted, True),
    "INVALID_CONFIG": (KafkaError, False),
    "SHARE_SESSION_NOT_FOUND": (KafkaUnavailable, True),
}


def translations(number: int) -> list[KafkaError]:
    """Return what both engines make of the broker's error of that number."""
    require_aiokafka()
    return [
        aiokafka_errors.translate(for_code(number)(), during="doing it"),
        rdkafka_errors.translate(Native(number), during="doing it"),
    ]


@pytest.mark.parametrize("number", NAMES)
def test_both_engines_agree(number: int) -> None:
    one, other = translations(number)
    assert type(one) is type(other)
    assert one.code == other.code == NAMES[number]
    assert one.retriable == other.retriable
    assert one.hint == other.hint
    assert one.message.startswith("doing it: ")
    assert other.message.startswith("doing it: ")


@pytest.mark.parametrize("name", KINDS)
def test_class_and_retriability(name: str) -> None:
    number = next(number for number, each in NAMES.items() if each == name)
    for error in translations(number):
        assert (type(error), error.retriable) == KINDS[name]


def test_a_fatal_error_of_librdkafka_is_the_one_that_its_text_names() -> None:
    text = f"Fatal error: {Native(82).str()}: Fatal consumer error: {Native(82).str()}"
    error = rdkafka_errors.translate(Native(Native._FATAL, text), during="reading")
    assert (type(error), error.code) == (Fenced, "FENCED_INSTANCE_ID")
    assert rdkafka_errors.translate(Native(Native._FATAL, "something else"), during="reading").code == ""


def test_an_unknown_number_has_no_code() -> None:
    for error in translations(9999):
        assert (type(error), error.code, error.retriable) == (KafkaError, "", False)


def test_the_tables_name_only_errors_that_exist() -> None:
    assert {*CLASSES, *HINTS, *RETRIABLE} <= {*NAMES.values()}
    assert (NAMES[1], NAMES[82], NAMES[133]) == (
        "OFFSET_OUT_OF_RANGE",
        "FENCED_INSTANCE_ID",
        "SHARE_SESSION_LIMIT_REACHED",
    )


def test_an_error_without_a_broker() -> None:
    assert (KafkaError("x").code, KafkaError("x").retriable) == ("", False)
    assert KafkaUnavailable("x").retriable
    bad = SerializationFailed("not JSON", topic="orders", partition=1, offset=7)
    assert (bad.topic, bad.partition, bad.offset, bad.retriable) == ("orders", 1, 7, False)
