"""Requests that kafka-hooks writes for its HTTP clients, and their replies. Wire names are the original's."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from pywatt_kafka.records import Header, Message

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

ReplyRecord: TypeAlias = tuple[bytes, list[Header]]
"""Value and headers of a reply's record."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request, read from the topic."""

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
        """The body's content type as sent by the client; empty if missing."""
        return self._text(CONTENT_TYPE)

    @property
    def content_encoding(self) -> str:
        """The body's content coding, such as `gzip`; empty if it has none."""
        return self._text(CONTENT_ENCODING)

    @property
    def params(self) -> Mapping[str, str]:
        """The path parameters."""
        params: Mapping[str, str] = json.loads(self._text(PATH_PARAMS) or "{}")
        return params

    @property
    def query(self) -> Mapping[str, str | list[str]]:
        """The query fields; a list for a repeated name."""
        query: Mapping[str, str | list[str]] = json.loads(self._text(QUERY_STRING) or "{}")
        return query

    def json(self) -> Any:
        """Return the body as JSON, decompressed if it is gzip. Raises ValueError."""
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
    """The reply to one request."""

    body: Any = None
    """bytes and str are sent unchanged, None is an empty body, anything else is sent as JSON."""
    status: int = 200
    content_type: str | None = None
    """None: chosen by the type of the body."""
    content_encoding: str | None = None
    """Content coding of the body, such as `gzip`, or None."""

    def encoded(self) -> tuple[bytes, str]:
        """Return the body's bytes and content type. Raises TypeError or ValueError if it cannot be encoded as JSON."""
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


def error_reply(message: str) -> Reply:
    """Return a reply with status 500."""
    return Reply({"statusCode": 500, "error": "Internal Server Error", "message": message}, 500)


def reply_record(call: Call, reply: Reply) -> ReplyRecord:
    """Return the record of a reply. Raises TypeError or ValueError if its body cannot be encoded as JSON."""
    body, content_type = reply.encoded()
    headers: list[Header] = [
        (CORRELATION_ID, call.correlation_id),
        (STATUS_CODE, b"%d" % reply.status),
        (CONTENT_TYPE, content_type.encode()),
    ]
    if reply.content_encoding:
        headers.append((CONTENT_ENCODING, reply.content_encoding.encode()))
    return body, headers


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
    """Return the value of a record's first header with that name (lower case), ignoring case."""
    for other, value in message.headers:
        if other == name or other.lower() == name:
            return value
    return None
