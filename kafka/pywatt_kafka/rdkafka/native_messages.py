"""Messages that read their fields from confluent-kafka's records when they are used.

Nothing is read from a record before, and the message itself is made when a batch is iterated, in C: to read the seven
fields of every record costs several times as much as librdkafka itself, and most programs use two or three of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import repeat
from typing import Any, NamedTuple, TypeVar, overload

from pywatt_kafka.records import NO_TIMESTAMP, Header, Message

MessageT = TypeVar("MessageT")


class Stored(NamedTuple):
    """The items of the tuple that a lazy message is; topic and offset are where a Message has them too."""

    topic: str
    """The same string for all records of a batch."""
    native: Any
    offset: int
    extra: Any
    """The field that a subclass of Message adds."""


class NativeFields(tuple[Any, ...]):
    """The fields of a Message, read from a native record; to be inherited before Message or a subclass of it.

    To its users it is the tuple of its fields. As a tuple of its own it holds other items, as no other object is made
    as fast.
    """

    __slots__ = ()
    __new__ = tuple.__new__  # not the named tuple's, which is Python

    _fields: tuple[str, ...]
    _native: Any = Stored.native

    @property
    def partition(self) -> int:
        partition: int = self._native.partition()
        return partition

    @property
    def key(self) -> bytes | None:
        key: bytes | None = self._native.key()
        return key

    @property
    def value(self) -> bytes | None:
        value: bytes | None = self._native.value()
        return value

    @property
    def headers(self) -> tuple[Header, ...]:
        return headers_of(self._native)

    @property
    def timestamp(self) -> int:
        kind, milliseconds = self._native.timestamp()
        return milliseconds if kind else NO_TIMESTAMP

    def __reduce__(self) -> Any:
        return _plain_class(self), _fields(self)

    def __repr__(self) -> str:
        return repr(_plain_class(self)(*_fields(self)))

    def _replace(self, **fields: Any) -> Any:
        return _plain_class(self)(*_fields(self))._replace(**fields)


class NativeMessage(NativeFields, Message):  # type: ignore[misc]  # pyright: ignore[reportIncompatibleVariableOverride]
    """A Message of a native record."""

    __slots__ = ()


def _fields(message: Any) -> tuple[Any, ...]:
    return tuple([getattr(message, name) for name in message._fields])


def _plain_class(message: object) -> Any:
    classes = type(message).__mro__
    return classes[classes.index(NativeFields) + 1]


def _of_fields(name: str) -> Callable[..., Any]:
    """Return the method of a tuple, applied to the tuple of the fields."""
    method = getattr(tuple, name)

    def of_fields(self: Any, *args: Any) -> Any:
        return method(_fields(self), *(_fields(each) if isinstance(each, NativeFields) else each for each in args))

    return of_fields


for _name in (
    *("__iter__", "__len__", "__getitem__", "__contains__", "__add__", "__mul__", "__rmul__", "count", "index"),
    *("__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__"),
):
    setattr(NativeFields, _name, _of_fields(_name))


class NativeMessages(Sequence[Message]):
    """The messages of native records of one partition, each made when it is asked for."""

    __slots__ = ("_records", "_topic", "weight")

    def __init__(self, topic: str, records: list[Any], weight: int = 1) -> None:
        """`records`: none of them an event. `weight`: how many ordinary records each of them counts as."""
        self._topic = topic
        self._records = records
        self.weight = weight

    def __len__(self) -> int:
        return len(self._records)

    @overload
    def __getitem__(self, index: int) -> Message: ...
    @overload
    def __getitem__(self, index: slice) -> NativeMessages: ...
    def __getitem__(self, index: int | slice) -> Message | NativeMessages:
        if isinstance(index, slice):
            return NativeMessages(self._topic, self._records[index], self.weight)
        record = self._records[index]
        make: Any = NativeMessage
        message: Message = make((self._topic, record, record.offset()))
        return message

    def __iter__(self) -> Iterator[Message]:
        return map(NativeMessage, zip(repeat(self._topic), self._records, self._offsets()))

    def extended(self, kind: type[MessageT], extra: object) -> Iterator[MessageT]:
        """Return the messages as objects of a subclass of NativeFields with one more field, the same for all."""
        return map(kind, zip(repeat(self._topic), self._records, self._offsets(), repeat(extra)))

    def followed_by(self, others: NativeMessages) -> NativeMessages:
        """Return these messages and the next ones of the partition, which have the same weight."""
        return NativeMessages(self._topic, [*self._records, *others._records], self.weight)

    def _offsets(self) -> Iterable[int]:
        """Return the offsets. Those of a partition rise: if none is missing, they are not read from each record."""
        records = self._records
        if not records:
            return ()
        first: int = records[0].offset()
        if records[-1].offset() - first == len(records) - 1:
            return range(first, first + len(records))
        return map(native_class().offset, records)


@cache
def native_class() -> Any:
    """Return the class of confluent-kafka's records; its methods return the fields."""
    from confluent_kafka import Message as Native

    return Native


def headers_of(record: Any) -> tuple[Header, ...]:
    """Return the headers of a record; none when the name of one is not UTF-8.

    confluent-kafka then makes tuples with holes, whose use ends the process, and leaves an exception pending. Python
    raises it after a call by `map`, and after other calls only by chance.
    """
    try:
        (headers,) = map(native_class().headers, (record,))
    except (SystemError, UnicodeDecodeError):
        record.set_headers([])  # in place of those with holes, which the next call would return
        return ()
    return tuple(headers) if headers else ()
