"""Translates aiokafka's errors into those of this library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pywatt_kafka.errors import (
    CommitFailed,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    NotAuthorized,
    RecordTooLarge,
    UnknownTopic,
)

INVALID_RECORD = 87  # the broker's code
AIOKAFKA_ERRORS = (RuntimeError, AssertionError, ConnectionError)
"""The errors that aiokafka raises: its own are RuntimeErrors, arguments and states are asserted. (Not OSError: that
would include a TimeoutError of our own.)"""


def translate(error: BaseException, *, during: str) -> KafkaError:
    """Return the KafkaError for an error of aiokafka's."""
    from aiokafka import errors

    if isinstance(error, KafkaError):
        return error
    message = f"{during}: {describe_error(error)}"
    match error:
        case errors.CommitFailedError() | errors.IllegalStateError() | errors.IllegalGenerationError():
            return CommitFailed(message)
        case errors.MessageSizeTooLargeError() | errors.RecordTooLargeError() | errors.RecordListTooLargeError():
            return RecordTooLarge(message)
        case errors.BrokerResponseError() if error.errno in (INVALID_RECORD, errors.InvalidTimestampError.errno):
            return InvalidRecord(message)
        case errors.UnknownTopicOrPartitionError() | errors.InvalidTopicError():
            return UnknownTopic(message)
        case (
            errors.TopicAuthorizationFailedError()
            | errors.GroupAuthorizationFailedError()
            | errors.ClusterAuthorizationFailedError()
            | errors.AuthenticationFailedError()
            | errors.SaslAuthenticationFailed()
        ):
            return NotAuthorized(message)
        case errors.OutOfOrderSequenceNumber() | errors.UnknownProducerId():  # the broker accepts the next batch
            return KafkaUnavailable(message)
        case errors.KafkaTimeoutError() | errors.ProducerClosed() | errors.ConsumerStoppedError() | ConnectionError():
            return KafkaUnavailable(message)
        case errors.KafkaError() if error.retriable or isinstance(error, errors.KafkaConnectionError):
            return KafkaUnavailable(message)
        case _:
            return KafkaError(message)


@contextmanager
def translated(during: str) -> Iterator[None]:
    """Translate the errors of aiokafka that the block raises."""
    try:
        yield
    except AIOKAFKA_ERRORS as error:
        raise translate(error, during=during) from error


def describe_error(error: BaseException) -> str:
    """Return the message of an error, with its class name unless the message contains it."""
    text = str(error)
    name = type(error).__name__
    return text if name in text else f"{name}: {text}".removesuffix(": ")
