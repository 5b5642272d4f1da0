"""A request that kafka-hooks wrote for one of its HTTP clients, and the reply to it. Wire names are the original's."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pywatt_kafka.records import Message

CORRELATION_ID = "x-plt-kafka-hooks-correlation-id"
PATH_PARAMS = "x-plt-kafka-hooks-path-params"
QUERY_STRING = "x-plt-kafka-hooks-query-string"
METHOD = "x-plt-kafka-hooks-method"
STATUS_CODE = "x-status-code"
CONTENT_TYPE = "content-type"
CONTENT_ENCODING = "content-encoding"

INFLATED_LIMIT = 64 * 1024 * 1024  # bytes of a body without its content coding
JSON = "application/json; charset=utf-8"
TEXT = "text/plain; charset=utf-8"
BYTES = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, as it came over the topic."""

    message: Message
    correlation_id: bytes

    @property
    def body(self) -> bytes:
        """The request's body."""
        return self.message.value or b""

    @property
    def key(self) -> bytes | None:
        """The record's key."""
        return self.message.key

    @property
    def method(self) -> str:
        """The request's method."""
        return self._text(METHOD) or "POST"

    @property
    def content_type(self) -> str:
        """What the client says that its body is; empty when it says nothing."""
        return self._text(CONTENT_TYPE)

    @property
    def content_encoding(self) -> str:
        """How the client has coded its body, such as `gzip`; empty when it has not."""
        return self._text(CONTENT_ENCODING)

    @property
    def params(self) -> Mapping[str, str]:
        """The path's parameters."""
        params: Mapping[str, str] = json.loads(self._text(PATH_PARAMS) or "{}")
        return params

    @property
    def query(self) -> Mapping[str, str | list[str]]:
        """The query's fields; a list where a name came more than once."""
        query: Mapping[str, str | list[str]] = json.loads(self._text(QUERY_STRING) or "{}")
        return query

    def json(self) -> Any:
        """Return the body as JSON, without gzip if that is its coding. Raises ValueError."""
        match self.content_encoding.strip().lower():
            case "" | "identity":
                return json.loads(self.body)
            case "gzip" | "x-gzip":
                return json.loads(_inflated(self.body))
            case other:
                raise ValueError(f"the body has the content coding {other}")

    def _text(self, name: str) -> str:
        return (header_of(self.message, name) or b"").decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one request."""

    body: Any = None
    """bytes and str as they are, None for no body, anything else as JSON."""
    status: int = 200
    content_type: str | None = None
    """None: what fits the body."""
    content_encoding: str | None = None
    """How the body is coded, such as `gzip`; None: it is not."""

    def encoded(self) -> tuple[bytes, str]:
        """Return the body's bytes and their content type. Raises TypeError, ValueError for what is no JSON."""
        match self.body:
            case None:
                body, content_type = b"", BYTES
            case bytes():
                body, content_type = self.body, BYTES
            case str():
                body, content_type = self.body.encode(), TEXT
            case _:
                body, content_type = json.dumps(self.body, ensure_ascii=False, separators=(",", ":")).encode(), JSON
        return body, self.content_type or content_type


def _inflated(body: bytes) -> bytes:
    inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        plain = inflater.decompress(body, INFLATED_LIMIT)
    except zlib.error as error:
        raise ValueError(f"the body is not gzip: {error}") from error
    if not inflater.eof:
        raise ValueError(f"the body is not complete, or has more than {INFLATED_LIMIT} bytes without its coding")
    return plain


def header_of(message: Message, name: str) -> bytes | None:
    """Return the value of a record's first header of that name (lower case), whatever its own case."""
    for other, value in message.headers:
        if other == name or other.lower() == name:
            return value
    return None
