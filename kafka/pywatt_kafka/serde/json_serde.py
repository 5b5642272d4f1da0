"""The serde of JSON: plain data, or values of a type."""

from __future__ import annotations

import json
from typing import Any, Generic, TypeVar, overload

from pywatt_kafka.records import Headers
from pywatt_kafka.serde.protocols import Field
from pywatt_kafka.serde.typed_values import converter

T = TypeVar("T")
Typed = TypeVar("Typed")


class Json(Generic[T]):
    """Writes and reads JSON in UTF-8; None stands for a record without a value (a tombstone), not for `null`.

    `Json()` takes plain data. `Json(Order)` takes and returns values of the type: a struct of msgspec, a model or
    dataclass of pydantic, or, by msgspec, a dataclass, TypedDict, NamedTuple, or a type such as `list[Order]`.
    """

    @overload
    def __init__(self: Json[Any]) -> None: ...
    @overload
    def __init__(self: Json[Typed | None], kind: type[Typed]) -> None: ...
    def __init__(self, kind: Any = None) -> None:
        """Raise MissingDependency without the library, and TypeError for a type that it cannot convert."""
        if kind is None:
            self._encode: Any = _encode
            self._decode: Any = json.loads
        else:
            types = converter(kind)
            self._encode, self._decode = types.to_json, types.from_json

    def serialize(self, data: T, topic: str, field: Field, /) -> bytes | None:
        """Return JSON without spaces. Raises TypeError or ValueError for data that is not of the type."""
        if data is None:
            return None
        return self._encode(data)  # type: ignore[no-any-return]

    def deserialize(self, data: bytes | None, topic: str, field: Field, headers: Headers, /) -> T:
        """Return the data; None for None. Raises ValueError for anything but JSON of the type."""
        return None if data is None else self._decode(data)  # type: ignore[return-value]


def _encode(data: Any) -> bytes:
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
