"""Messages that read confluent-kafka's records when they are used."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Collection
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka.consuming.assigned_partition import AssignedPartition
from pywatt_kafka.consuming.stream_message import items_of, message_of
from pywatt_kafka.rdkafka.native_messages import NativeMessages
from pywatt_kafka.rdkafka.records import by_partition, message_from
from pywatt_kafka.records import Message, TopicPartition

Native: Any = pytest.importorskip("confluent_kafka").Message

NO_COMMITS: Any = None
PLAIN = Message("orders", 3, 7, b"k", b"v", (("h", b"1"), ("n", None)), 1_700_000_000_000)


def native(message: Message = PLAIN, kind: int = 1) -> Any:
    return Native(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=list(message.headers),
        timestamp=(kind, message.timestamp),
    )


def lazy(record: Any) -> Message:
    (message,) = NativeMessages("orders", [record])
    return message


def test_fields() -> None:
    message = lazy(native())
    assert isinstance(message, Message)
    assert [getattr(message, name) for name in Message._fields] == list(PLAIN)


def test_is_the_tuple_of_its_fields() -> None:
    message = lazy(native())
    topic, partition, *_, timestamp = message
    assert (topic, partition, timestamp) == ("orders", 3, PLAIN.timestamp)
    assert (*message, 1) == (*PLAIN, 1)
    assert (len(message), message[2], message[-1], message[:2]) == (7, 7, PLAIN.timestamp, ("orders", 3))
    assert (3 in message, message.index(7), message + PLAIN[:1]) == (True, 2, (*PLAIN, "orders"))
    assert message._asdict() == PLAIN._asdict()


def test_equals_a_message_with_the_same_fields() -> None:
    message = lazy(native())
    assert message == PLAIN
    assert message == PLAIN
    assert message == lazy(native())
    assert message != PLAIN._replace(value=b"other")
    assert hash(message) == hash(PLAIN)


def test_copies_are_plain_messages() -> None:
    message = lazy(native())
    for each in (pickle.loads(pickle.dumps(message)), copy.copy(message), message._replace()):
        assert (type(each), each) == (Message, PLAIN)
    assert message._replace(value=None) == PLAIN._replace(value=None)
    assert repr(message) == repr(PLAIN)


def test_what_a_record_does_not_have() -> None:
    message = lazy(native(Message("orders", 0, 0, None, None, (), 0), kind=0))
    assert (message.key, message.value, message.headers, message.timestamp) == (None, None, (), -1)


def test_a_plain_message_is_the_same() -> None:
    assert message_from(native()) == PLAIN


@pytest.mark.parametrize(
    "owned",
    [
        [],
        [TopicPartition("orders", 3)],
        [TopicPartition("orders", 2)],
        [TopicPartition("orders", 2), TopicPartition("orders", 3)],
        [TopicPartition("orders", 3), TopicPartition("bills", 3)],
    ],
)
def test_records_of_one_partition_share_their_topic(owned: Collection[TopicPartition]) -> None:
    place = TopicPartition("orders", 3)
    records = [native(PLAIN._replace(offset=offset)) for offset in range(3)]
    batches = by_partition(records, frozenset(owned))
    assert batches.keys() == {place}
    messages = batches[place]
    assert [each.offset for each in messages] == [0, 1, 2]
    assert len({id(each.topic) for each in messages}) == 1


def test_records_of_several_partitions_and_topics_keep_their_order() -> None:
    places = [("a", 0, 5), ("a", 1, 1), ("a", 1, 2), ("b", 1, 9), ("a", 0, 6)]
    records = [native(PLAIN._replace(topic=topic, partition=number, offset=at)) for topic, number, at in places]
    found = {place: [each.offset for each in messages] for place, messages in by_partition(records).items()}
    assert found == {("a", 0): [5, 6], ("a", 1): [1, 2], ("b", 1): [9]}


@pytest.mark.parametrize("topics", [["a"], ["a", "b"]])
@given(
    drawn=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=30),
)
def test_records_are_grouped_like_one_by_one(topics: list[str], drawn: list[tuple[int, int, int]]) -> None:
    """In any mixture of runs, with missing offsets."""
    owned = frozenset(TopicPartition(topic, number) for topic in topics for number in range(4))
    expected: dict[TopicPartition, list[int]] = {}
    records: list[Any] = []
    for index, number, step in drawn:
        place = TopicPartition(topics[index % len(topics)], number)
        found = expected.setdefault(place, [])
        found.append((found[-1] if found else 0) + step)
        records.append(native(PLAIN._replace(topic=place.topic, partition=number, offset=found[-1])))
    for known in (owned, frozenset[TopicPartition]()):
        batches = by_partition(records, known)
        assert {place: [each.offset for each in messages] for place, messages in batches.items()} == expected
        for place, messages in batches.items():
            assert {(each.topic, each.partition) for each in messages} == {place}
            assert [messages[index].offset for index in range(len(messages))] == expected[place]


def test_a_batch_is_cut_and_continued() -> None:
    messages = NativeMessages("orders", [native(PLAIN._replace(offset=offset)) for offset in range(4)])
    assert (len(messages), messages[-1].offset, len(messages[3:])) == (4, 3, 1)
    again = messages[:1].followed_by(messages[2:])
    assert [each.offset for each in again] == [0, 2, 3]


@pytest.mark.parametrize("messages", [NativeMessages("orders", [native()]), [PLAIN]])
def test_items_of_a_stream(messages: Any) -> None:
    partition = AssignedPartition(TopicPartition("orders", 3), commits=NO_COMMITS)
    (item,) = items_of(messages, partition)
    assert item.assigned is partition
    assert tuple(item) == (*PLAIN, partition)
    assert (item.key, item.value, item.headers, item.timestamp) == PLAIN[3:]
    assert repr(item) == f"Stream{PLAIN!r}"
    assert (message_of(item), message_of(PLAIN)) == (PLAIN, PLAIN)
