"""Serdes of strings and of plain bytes."""

from __future__ import annotations

from pywatt_kafka.records import Headers
from pywatt_kafka.serde.protocols import Field


class Bytes:
    """Writes bytes as they are, and reads them so; refuses everything else."""

    def serialize(self, data: bytes | bytearray | memoryview | None, topic: str, field: Field, /) -> bytes | None:
        """Return the data as bytes. Raises TypeError."""
        if data is None or type(data) is bytes:
            return data
        if isinstance(data, bytes | bytearray | memoryview):
            return bytes(data)
        raise TypeError(f"not bytes but {type(data).__name__}: encode it, or choose serializers")

    def deserialize(self, data: bytes | None, topic: str, field: Field, headers: Headers, /) -> bytes | None:
        """Return the data."""
        return data


class String:
    """Writes and reads strings, in UTF-8 unless told otherwise."""

    def __init__(self, encoding: str = "utf-8") -> None:
        """`encoding`: the name of a codec of Python, such as `utf-16-le`. Raises LookupError for an unknown one."""
        self._encoding = encoding
        "".encode(encoding)

    def serialize(self, data: str | None, topic: str, field: Field, /) -> bytes | None:
        """Return the string encoded. Raises TypeError, and UnicodeEncodeError for a character without an encoding."""
        if data is None:
            return None
        if isinstance(data, str):
            return data.encode(self._encoding)
        raise TypeError(f"not a str but {type(data).__name__}")

    def deserialize(self, data: bytes | None, topic: str, field: Field, headers: Headers, /) -> str | None:
        """Return the string; None for None. Raises UnicodeDecodeError."""
        return None if data is None else data.decode(self._encoding)
