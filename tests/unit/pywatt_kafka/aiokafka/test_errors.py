"""The mapping of aiokafka's errors to our own."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import errors

from pywatt_kafka import (
    CommitFailed,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    NotAuthorized,
    RecordTooLarge,
    UnknownTopic,
)
from pywatt_kafka.aiokafka.errors import add_missing_errors, translate, translated
from pywatt_kafka.aiokafka.sockets import finish

pytestmark = pytest.mark.anyio

add_missing_errors()


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (errors.KafkaConnectionError("no"), KafkaUnavailable),
        (errors.NodeNotReadyError("no"), KafkaUnavailable),
        (errors.RequestTimedOutError(), KafkaUnavailable),
        (errors.KafkaTimeoutError("no"), KafkaUnavailable),
        (errors.LeaderNotAvailableError(), KafkaUnavailable),
        (errors.GroupCoordinatorNotAvailableError(), KafkaUnavailable),
        (errors.ProducerClosed(), KafkaUnavailable),
        (errors.UnknownTopicOrPartitionError(), UnknownTopic),
        (errors.InvalidTopicError("a b"), UnknownTopic),
        (errors.MessageSizeTooLargeError("2 MB"), RecordTooLarge),
        (errors.InvalidTimestampError(), InvalidRecord),
        (errors.for_code(87)(), InvalidRecord),
        (errors.OutOfOrderSequenceNumber(), KafkaUnavailable),
        (errors.UnknownProducerId(), KafkaUnavailable),
        (errors.TopicAuthorizationFailedError("secret"), NotAuthorized),
        (errors.GroupAuthorizationFailedError("secret"), NotAuthorized),
        (errors.CommitFailedError("late"), CommitFailed),
        (errors.IllegalStateError("not assigned"), CommitFailed),
        (errors.CorruptRecordException("crc"), KafkaError),
        (AssertionError("Unrecognized partition"), KafkaError),
    ],
)
def test_translation(foreign: Exception, ours: type[KafkaError]) -> None:
    with pytest.raises(KafkaError) as caught, translated("doing it"):
        raise foreign
    assert type(caught.value) is ours
    assert caught.value.__cause__ is foreign
    assert caught.value.message.startswith("doing it: ")


def test_our_own_errors_pass() -> None:
    error = UnknownTopic("x")
    assert translate(error, during="anything") is error


def test_a_timeout_of_ours_is_not_taken_for_aiokafkas() -> None:
    with pytest.raises(TimeoutError), translated("doing it"):
        raise TimeoutError


async def test_a_closing_step_may_cancel_itself_raise_or_hang_without_harm() -> None:
    async def well() -> None:
        await asyncio.sleep(0)

    async def cancelled() -> None:
        raise asyncio.CancelledError

    async def failed() -> None:
        raise errors.KafkaError("late")

    assert await finish(well(), 10.0)
    assert not await finish(cancelled(), 10.0)
    assert not await finish(failed(), 10.0)
    assert not await finish(asyncio.Event().wait(), 0.01)
