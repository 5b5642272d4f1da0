"""Translates confluent-kafka's errors into those of this library."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pywatt_kafka.broker_errors import NAMES, broker_error
from pywatt_kafka.errors import CommitFailed, KafkaError, KafkaUnavailable, UnknownPartition


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
    message = f"{during}: {error.str()}"
    named, unnamed = _own_errors()
    number = error.code()
    if name := NAMES.get(number) or named.get(number) or _fatal_name(error):
        return broker_error(name, message)
    return unnamed.get(number, KafkaUnavailable if error.retriable() else KafkaError)(message)


def _fatal_name(error: Any) -> str:
    """Return the broker's error behind a fatal one, which librdkafka tells a consumer only in its text."""
    from confluent_kafka import KafkaError as Native

    if error.code() != Native._FATAL:
        return ""
    text = error.str()
    return next((name for number, name in NAMES.items() if Native(number).str() in text), "")


@functools.cache
def _own_errors() -> tuple[Mapping[int, str], Mapping[int, type[KafkaError]]]:
    """Return the errors that librdkafka itself detects: brokers' names for them, and the class of those without one."""
    from confluent_kafka import KafkaError as Native

    named = {
        Native._TRANSPORT: "NETWORK_EXCEPTION",
        Native._TIMED_OUT: "REQUEST_TIMED_OUT",
        Native._MSG_TIMED_OUT: "REQUEST_TIMED_OUT",
        Native._TIMED_OUT_QUEUE: "REQUEST_TIMED_OUT",
        Native._AUTHENTICATION: "SASL_AUTHENTICATION_FAILED",
        Native._AUTO_OFFSET_RESET: "OFFSET_OUT_OF_RANGE",
        Native._FENCED: "PRODUCER_FENCED",
        Native._UNKNOWN_TOPIC: "UNKNOWN_TOPIC_OR_PARTITION",
    }
    unavailable = (
        Native._ALL_BROKERS_DOWN, Native._PURGE_QUEUE, Native._PURGE_INFLIGHT, Native._QUEUE_FULL, Native._DESTROY,
        Native._INVALID_DIFFERENT_RECORD,  # rejected because of another record in its batch
    )  # fmt: skip
    unnamed: dict[int, type[KafkaError]] = {
        Native._UNKNOWN_PARTITION: UnknownPartition,
        **dict.fromkeys((Native._ASSIGNMENT_LOST, Native._STATE, Native._WAIT_COORD), CommitFailed),
        **dict.fromkeys(unavailable, KafkaUnavailable),
    }
    return named, unnamed
