"""The edge to aiokafka: finding it, its errors as ours, and what every client of its kind shares.

Everything that aiokafka keeps private and we need is reached for here, in the three engine classes next door, and in
`accumulator`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pywatt_kafka.errors import (
    CommitFailed,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    MissingDependency,
    NotAuthorized,
    RecordTooLarge,
    UnknownTopic,
)
from pywatt_kafka.records import NO_TIMESTAMP, Message, TopicPartition
from pywatt_kafka.refusals import refusals, unreachable, watch_connecting

METADATA_AGE = 30_000  # ms; the connection's own checks refresh it sooner
RETRY_BACKOFF = 100  # ms
INVALID_RECORD = 87  # the broker's code

FOREIGN = (RuntimeError, AssertionError, ConnectionError)
"""What aiokafka raises: its own errors are RuntimeErrors, arguments and states are asserted. (Not OSError: that would
take a TimeoutError of ours with it.)"""


def require_aiokafka() -> None:
    """Import aiokafka. Raises MissingDependency.

    Its loggers tell of every failed attempt, ten a second while a broker is away; our status says the same once. So
    they are held back, unless the application has set a level for the logger `aiokafka` itself.
    """
    try:
        import aiokafka  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            "the Kafka client needs the package aiokafka", hint="pip install 'pywatt[kafka]'"
        ) from error
    aiokafka_logger = logging.getLogger("aiokafka")
    if aiokafka_logger.level == logging.NOTSET:
        aiokafka_logger.setLevel(logging.CRITICAL + 1)
    watch_connecting()
    from pywatt_kafka.header_names import install

    install()


def translate(error: BaseException, *, during: str) -> KafkaError:
    """Return our error for one of aiokafka's."""
    from aiokafka import errors

    if isinstance(error, KafkaError):
        return error
    message = f"{during}: {words_of(error)}"
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
        case errors.OutOfOrderSequenceNumber() | errors.UnknownProducerId():  # the next batch is taken again
            return KafkaUnavailable(message)
        case errors.KafkaTimeoutError() | errors.ProducerClosed() | errors.ConsumerStoppedError() | ConnectionError():
            return KafkaUnavailable(message)
        case errors.KafkaError() if error.retriable or isinstance(error, errors.KafkaConnectionError):
            return KafkaUnavailable(message)
        case _:
            return KafkaError(message)


@contextmanager
def translated(during: str) -> Iterator[None]:
    """Turn what aiokafka raises into our errors."""
    try:
        yield
    except FOREIGN as error:
        raise translate(error, during=during) from error


def words_of(error: BaseException) -> str:
    """Return what an error says, with its name if it does not say that itself."""
    text = str(error)
    name = type(error).__name__
    return text if name in text else f"{name}: {text}".removesuffix(": ")


async def refresh_metadata(client: Any, brokers: tuple[str, ...]) -> None:
    """Ask the cluster for the metadata of the client's topics. Raises KafkaUnavailable when no broker answers."""
    if not await client.force_metadata_update():
        raise unreachable(brokers)


@contextmanager
def opening(brokers: tuple[str, ...]) -> Iterator[None]:
    """Turn a failed bootstrap into an error with the addresses that were tried, and the reason."""
    from aiokafka.errors import KafkaConnectionError

    with refusals() as seen:
        try:
            with translated(f"connecting to {','.join(brokers)}"):
                yield
        except KafkaError as error:
            if isinstance(error.__cause__, KafkaConnectionError):
                raise unreachable(brokers, seen) from error.__cause__
            raise


def done(task: asyncio.Future[Any] | None) -> bool:
    """Whether a background task of aiokafka's has ended (it never should while the client is open)."""
    return task is not None and task.done()


def message_from(record: Any) -> Message:
    """Return our Message for a ConsumerRecord."""
    return Message(
        record.topic,
        record.partition,
        record.offset,
        record.key,
        record.value,
        tuple(record.headers),
        NO_TIMESTAMP if record.timestamp is None else record.timestamp,
    )


def batches_from(found: Mapping[Any, Sequence[Any]]) -> dict[TopicPartition, list[Message]]:
    """Return our Messages for the ConsumerRecords of each partition, without calling into Python for each of them."""
    new = tuple.__new__
    return {
        TopicPartition(topic, partition): [
            new(
                Message,
                (
                    topic,
                    partition,
                    each.offset,
                    each.key,
                    each.value,
                    tuple(each.headers),
                    NO_TIMESTAMP if (timestamp := each.timestamp) is None else timestamp,
                ),
            )
            for each in records
        ]
        for (topic, partition), records in found.items()
    }
