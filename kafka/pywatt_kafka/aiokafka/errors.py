"""Translates aiokafka's errors into those of this library."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pywatt_kafka.broker_errors import NAMES, RETRIABLE, broker_error
from pywatt_kafka.errors import CommitFailed, KafkaError, KafkaUnavailable, NotAuthorized, RecordTooLarge

AIOKAFKA_ERRORS = (RuntimeError, AssertionError, ConnectionError)
"""The errors that aiokafka raises: its own are RuntimeErrors, arguments and states are asserted. (Not OSError: that
would include a TimeoutError of our own.)"""


def add_missing_errors() -> None:
    """Teach aiokafka the errors of brokers that it lacks, which it would report as an unknown one."""
    from aiokafka.errors import BrokerResponseError, kafka_errors

    for number in NAMES.keys() - kafka_errors.keys():
        name = NAMES[number]
        fields = {"errno": number, "message": name, "retriable": name in RETRIABLE, "__module__": __name__}
        kafka_errors[number] = type(name.title().replace("_", ""), (BrokerResponseError,), fields)


def translate(error: BaseException, *, during: str) -> KafkaError:
    """Return the KafkaError for an error of aiokafka's."""
    from aiokafka import errors

    if isinstance(error, KafkaError):
        return error
    message = f"{during}: {describe_error(error)}"
    match error:
        case errors.BrokerResponseError():
            return broker_error(NAMES.get(error.errno, ""), message)
        case errors.ProducerFenced():
            return broker_error("PRODUCER_FENCED", message)
        case errors.CommitFailedError() | errors.IllegalStateError():
            return CommitFailed(message)
        case errors.RecordTooLargeError():
            return RecordTooLarge(message, code="MESSAGE_TOO_LARGE")
        case errors.AuthenticationFailedError():
            return NotAuthorized(message, code="SASL_AUTHENTICATION_FAILED")
        case errors.KafkaTimeoutError():
            return KafkaUnavailable(message, code="REQUEST_TIMED_OUT")
        case errors.KafkaConnectionError() | errors.NodeNotReadyError() | ConnectionError():
            return KafkaUnavailable(message, code="NETWORK_EXCEPTION")
        case errors.ProducerClosed() | errors.ConsumerStoppedError():
            return KafkaUnavailable(message)
        case errors.KafkaError() if error.retriable:
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
