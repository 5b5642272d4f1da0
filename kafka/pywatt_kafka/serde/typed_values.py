"""Conversion of typed values: structs, dataclasses and plain types by msgspec, models by pydantic.

Neither library is imported before a type asks for it.
"""

from __future__ import annotations

import datetime as dt
import decimal
import sys
import uuid
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar, get_args, is_typeddict

from pywatt_kafka.errors import MissingDependency

T = TypeVar("T")

NATIVE = (bytes, dt.datetime, dt.date, dt.time, dt.timedelta, uuid.UUID, decimal.Decimal)
"""Types that Avro has logical types for."""


class TypeConverter(Protocol[T]):
    """Conversion between values of one type, plain data, and JSON."""

    @property
    def to_json(self) -> Callable[[T], bytes]:
        """Returns JSON. Raises TypeError or ValueError for other data."""
        ...

    @property
    def from_json(self) -> Callable[[bytes], T]:
        """Returns the value that JSON holds. Raises ValueError."""
        ...

    def to_plain(self, data: T) -> Any:
        """Return dicts, lists, numbers, bytes, times ..., as Avro takes them. Raises TypeError or ValueError."""
        ...

    def from_plain(self, data: Any) -> T:
        """Return the value that plain data holds. Raises ValueError."""
        ...

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the type."""
        ...


def converter(kind: type[T]) -> TypeConverter[T]:
    """Return the converter of a type. Raises MissingDependency, and TypeError for a type that cannot be converted."""
    return _Pydantic(kind) if _is_pydantic(kind) else _Msgspec(kind)


def _is_pydantic(kind: Any) -> bool:
    """Return whether a type is of pydantic, or made of such, as `list[Model]` is; does not import pydantic."""
    if "pydantic" not in sys.modules:
        return False
    return hasattr(kind, "__pydantic_validator__") or any(_is_pydantic(part) for part in get_args(kind))


class _Msgspec(Generic[T]):
    def __init__(self, kind: type[T]) -> None:
        try:
            import msgspec
        except ImportError as error:
            raise MissingDependency(
                f"values of type {_name(kind)} need the package msgspec", hint="pip install 'pywatt[msgspec]'"
            ) from error
        if isinstance(msgspec.inspect.type_info(kind), msgspec.inspect.CustomType):
            raise TypeError(f"{_name(kind)} is no struct, model, dataclass, TypedDict, NamedTuple or plain type")
        self._kind = kind
        self._class = _class_of(kind)
        self._library: Any = msgspec
        self._encode: Callable[[T], bytes] = msgspec.json.Encoder().encode
        self.from_json: Callable[[bytes], T] = msgspec.json.Decoder(kind).decode

    def to_json(self, data: T) -> bytes:
        _check(data, self._class)
        return self._encode(data)

    def to_plain(self, data: T) -> Any:
        _check(data, self._class)
        return self._library.to_builtins(data, builtin_types=NATIVE)

    def from_plain(self, data: Any) -> T:
        return self._library.convert(data, self._kind, builtin_types=NATIVE)  # type: ignore[no-any-return]

    def json_schema(self) -> dict[str, Any]:
        return self._library.json.schema(self._kind)  # type: ignore[no-any-return]


class _Pydantic(Generic[T]):
    def __init__(self, kind: type[T]) -> None:
        from pydantic import TypeAdapter

        self._class = _class_of(kind)
        self._adapter: Any = TypeAdapter(kind)
        self.from_json: Callable[[bytes], T] = self._adapter.validate_json

    def to_json(self, data: T) -> bytes:
        _check(data, self._class)
        return self._adapter.dump_json(data, warnings="error")  # type: ignore[no-any-return]

    def to_plain(self, data: T) -> Any:
        _check(data, self._class)
        return self._adapter.dump_python(data, warnings="error")

    def from_plain(self, data: Any) -> T:
        return self._adapter.validate_python(data)  # type: ignore[no-any-return]

    def json_schema(self) -> dict[str, Any]:
        return self._adapter.json_schema()  # type: ignore[no-any-return]


def _class_of(kind: Any) -> type[Any]:
    """Return the class of a type's instances; object for a type without one, such as `list[Order]`."""
    return kind if isinstance(kind, type) and not is_typeddict(kind) else object


def _check(data: Any, cls: type[Any]) -> None:
    """Raise TypeError for an instance of another class, which both libraries would encode all the same."""
    if not isinstance(data, cls):
        raise TypeError(f"not {_name(cls)} but {_name(type(data))}")


def _name(kind: Any) -> str:
    return getattr(kind, "__qualname__", None) or str(kind)
