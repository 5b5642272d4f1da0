"""Translates confluent-kafka's errors into those of this library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pywatt_kafka.errors import (
    CommitFailed,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    NotAuthorized,
    RecordTooLarge,
    UnknownPartition,
    UnknownTopic,
)


@contextmanager
def translated(during: str) -> Iterator[None]:
    """Translate the errors of confluent-kafka that the block raises."""
    from confluent_kafka import KafkaException

    try:
        yield
    except KafkaException as error:
        raise translate(error.args[0], during=during) from error
    except RuntimeError as error:  # it was closed
        raise KafkaUnavailable(f"{during}: {error}") from error


def translate(error: Any, *, during: str) -> KafkaError:
    """Return the KafkaError for an error of librdkafka's."""
    from confluent_kafka import KafkaError as Native

    message = f"{during}: {error.str()}"
    code = error.code()
    if code in (
        Native.REBALANCE_IN_PROGRESS, Native.ILLEGAL_GENERATION, Native.UNKNOWN_MEMBER_ID, Native.FENCED_INSTANCE_ID,
        Native._ASSIGNMENT_LOST, Native._STATE, Native._WAIT_COORD,
    ):  # fmt: skip
        return CommitFailed(message)
    if code in (Native.MSG_SIZE_TOO_LARGE, Native.RECORD_LIST_TOO_LARGE):
        return RecordTooLarge(message)
    if code in (Native.INVALID_RECORD, Native.INVALID_TIMESTAMP):
        return InvalidRecord(message)
    if code == Native._UNKNOWN_PARTITION:
        return UnknownPartition(message)
    if code in (Native.UNKNOWN_TOPIC_OR_PART, Native.TOPIC_EXCEPTION, Native._UNKNOWN_TOPIC):
        return UnknownTopic(message)
    if code in (
        Native.TOPIC_AUTHORIZATION_FAILED, Native.GROUP_AUTHORIZATION_FAILED, Native.CLUSTER_AUTHORIZATION_FAILED,
        Native.SASL_AUTHENTICATION_FAILED, Native._AUTHENTICATION,
    ):  # fmt: skip
        return NotAuthorized(message)
    if error.retriable() or code in (
        Native._TRANSPORT, Native._TIMED_OUT, Native._MSG_TIMED_OUT, Native._ALL_BROKERS_DOWN, Native._PURGE_QUEUE,
        Native._PURGE_INFLIGHT, Native._QUEUE_FULL, Native._DESTROY, Native.NOT_ENOUGH_REPLICAS,
        Native.NOT_ENOUGH_REPLICAS_AFTER_APPEND, Native.COORDINATOR_NOT_AVAILABLE, Native.NOT_COORDINATOR,
        Native.COORDINATOR_LOAD_IN_PROGRESS, Native.REQUEST_TIMED_OUT, Native._TIMED_OUT_QUEUE,
        Native.OUT_OF_ORDER_SEQUENCE_NUMBER, Native.UNKNOWN_PRODUCER_ID,
        Native._INVALID_DIFFERENT_RECORD,  # rejected because of another record in its batch
    ):  # fmt: skip
        return KafkaUnavailable(message)
    return KafkaError(message)
