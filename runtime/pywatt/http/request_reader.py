"""Reads requests one at a time from the bytes of a connection, and never a byte beyond the current one.

llhttp checks the grammar of heads; rules that it does not know are checked here and in `pywatt.http.request`. It gets
nothing but heads, each cut off behind its empty line: that bounds a head exactly, makes the verdict independent of how
the bytes arrive, leaves pipelined requests unread, and takes the framing of bodies away from it, which it gets wrong as
soon as a request has an Upgrade header.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import httptools

from pywatt.http.chunked import ChunkedReader
from pywatt.http.header_cache import HeaderCache
from pywatt.http.headers import OWS, FieldNames, Header, tokens
from pywatt.http.limits import HeadLimits
from pywatt.http.request import KEEP_ALIVE, NOT_PASSED, RequestHead, check_head
from pywatt.http.request_error import RequestError
from pywatt.http.target import PLAIN_TARGET, EscapedSlashes
from pywatt.telemetry.trace_context import (
    PARENT_LENGTH,
    TRACE_BEGIN,
    TRACE_BYTES,
    TRACE_LINE,
    TRACEPARENT,
)

EMPTY_LINE = b"\r\n\r\n"
LINE_BREAKS = b"\r\n"
_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}"
"""A method, of a length that bounds the wait for its end."""
_METHOD = re.compile(_TOKEN)
_REQUEST_LINE = re.compile(rb"(%b) ([^ \r\n]+) HTTP/1\.([01])\r\n" % _TOKEN)
_PLAIN_LINE = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) (%b) HTTP/1\.1" % PLAIN_TARGET)
_ASCII = bytes(range(0x80)) + b"x" * 0x80
_OTHER_VERSION = re.compile(rb"%b [^ \r\n]+ HTTP/[0-9.]+\r\n" % _TOKEN)
_INVALID_VERSION = "Invalid HTTP version"
"""The error of llhttp for a well-formed version that it does not know, such as 1.2."""
_VERSIONS = "only HTTP/1.1 and HTTP/1.0 are served here"
_SHOWN_METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"CONNECT", b"PRI"})
"""Methods that llhttp is shown as they are."""
_STAND_IN = b"POST"
"""Shown to llhttp in place of another method, which any token may be (RFC 9110 9.1): it knows a fixed list."""


Dropped = Callable[[bytes], bool]


class PlainFields(NamedTuple):
    """Header fields that mean the same with every plain request line."""

    passed: list[Header]
    authority: bytes
    content_length: int


@cache
def _known_fields(_limits: HeadLimits, _dropped: Dropped | None) -> HeaderCache[PlainFields]:
    return HeaderCache()


@cache
def _traced_fields(_limits: HeadLimits, _dropped: Dropped | None) -> HeaderCache[PlainFields]:
    """Return the fields of blocks without their last one, a traceparent, which differs with each request."""
    return HeaderCache()


@cache
def _field_names(dropped: Dropped | None) -> FieldNames:
    return FieldNames(NOT_PASSED, dropped=dropped)


class RequestReader:
    """Turns bytes into one request after the other."""

    __slots__ = (
        "_body",
        "_chunks",
        "_escaped_slashes",
        "_head_parsed",
        "_known",
        "_limits",
        "_lines",
        "_names",
        "_not_passed",
        "_parser",
        "_passed",
        "_raw",
        "_remaining",
        "_skipped",
        "_traced",
        "_unshown",
        "complete",
        "head",
    )

    def __init__(
        self,
        limits: HeadLimits,
        *,
        dropped: Dropped | None = None,
        escaped_slashes: EscapedSlashes = EscapedSlashes.LEAVE,
    ) -> None:
        """`dropped` tells of a lower-case name whether its fields are not passed on."""
        self._limits = limits
        self._escaped_slashes = escaped_slashes
        self._names = _field_names(dropped)
        self._known = _known_fields(limits, dropped)
        self._traced = _traced_fields(limits, dropped)
        self._raw = bytearray()
        self._skipped = 0
        """Bytes of empty lines before the request line, which RFC 9112 2.2 allows."""
        self._lines = 0
        """Fields of the head, as far as it was parsed."""
        self._unshown = 0
        """Bytes of a method that is not complete, which llhttp has not seen."""
        self._passed: list[Header] = []
        self._not_passed: list[Header] = []
        self._body: list[bytes] = []
        self._remaining = 0
        self._chunks: ChunkedReader | None = None
        self._head_parsed = False
        self._parser: httptools.HttpRequestParser | None = None
        self.head: RequestHead | None = None
        """The current request, once its head is complete."""
        self.complete = False
        """True once the current request was read to its end."""

    @property
    def started(self) -> bool:
        """True once the current request's first bytes have come."""
        return self.head is not None or len(self._raw) > 0 or self._skipped > 0

    def feed(self, data: bytes) -> bytes:
        """Read as far as the current request goes and return the bytes behind it. Raises RequestError.

        While a body comes in many tiny chunks, bytes of it may be returned: feed them again, but let others go first.
        """
        while self.head is None and data:
            data = self._feed_head(data)
        if self.complete or not data:
            return data
        if self._chunks is not None:
            data = self._chunks.feed(data, self._body)
            self.complete = self._chunks.complete
            return data
        piece = data[: self._remaining]
        self._body.append(piece)
        self._remaining -= len(piece)
        self.complete = not self._remaining
        return data[len(piece) :]

    def take_body(self) -> bytes:
        """Return the part of the body that was read since the last call."""
        pieces = self._body
        if not pieces:
            return b""
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        return body

    def next(self) -> None:
        """Get ready for the request that follows on the connection."""
        if self._chunks is not None or self._body:
            self._chunks = None
            self._body = []
        self._passed = []
        self._not_passed = []
        self._head_parsed = False
        self._skipped = self._lines = self._unshown = 0
        self.head = None
        self.complete = False

    def _feed_head(self, data: bytes) -> bytes:
        known = len(self._raw)
        limit = self._limits.size - self._skipped
        if known:
            self._raw += data
            end = self._raw.find(EMPTY_LINE, max(0, known - 3))
        else:
            end = data.find(EMPTY_LINE)
            if end > 0 and self._begin_known(data, end, limit):
                return data[end + 4 :]
            if data[0] in LINE_BREAKS:
                return self._skip(data)
            if 0 < end == len(data) - 4 <= limit - 4:  # as nearly always: one head, nothing else
                self._parse(data, 0)
                self._begin(data)
                return b""
        size = end + 4 if end >= 0 else known + len(data)
        piece, rest = (data, b"") if size == known + len(data) else (data[: size - known], data[size - known :])
        self._parse(piece[: limit - known] if size > limit else piece, known)
        if size > limit:
            raise RequestError(431, f"the head of the request is larger than {self._limits.size} bytes")
        if end < 0:
            if not known:
                self._raw += piece
            return b""
        if known:
            piece = bytes(self._raw[:size])
            self._raw.clear()
        self._begin(piece)
        return rest

    def _skip(self, data: bytes) -> bytes:
        """Skip empty lines before the request line."""
        rest = data.lstrip(LINE_BREAKS)
        self._skipped += len(data) - len(rest)
        if self._skipped > self._limits.size:
            raise RequestError(431, f"the head of the request is larger than {self._limits.size} bytes")
        return rest

    def _begin_known(self, data: bytes, end: int, limit: int) -> bool:
        """Begin with a request whose header block came before, if this is one; `end`: of its head; `limit`: for it."""
        line_end = data.find(b"\r\n")
        if self._traced and data[end + TRACE_BEGIN : end - PARENT_LENGTH] == TRACE_LINE:
            fields = self._known_but_for_trace(data, line_end, end)
        else:
            fields = self._known.get(data[line_end:end])
        if fields is None or end + 4 > limit:
            return False
        line = _PLAIN_LINE.fullmatch(data, 0, line_end)
        if line is None:
            return False
        method, target, path, query = line.groups()
        passed, authority, length = fields
        self.head = RequestHead(method, target, path, query or b"", authority, passed, 1, length, False, True)
        self._remaining = length
        self.complete = not length
        return True

    def _cache(self, raw: bytes, head: RequestHead) -> None:
        """Cache the header block if nothing in it depends on the request line."""
        authority = b""
        for name, value in self._not_passed:
            if name == b"host":
                authority = value
            elif name != b"content-length" and (name != b"connection" or tokens(value) != KEEP_ALIVE):
                return
        if head.minor and not head.chunked and head.headers is self._passed:
            block = raw[raw.find(b"\r\n") : -len(EMPTY_LINE)]
            passed = head.headers
            if block[TRACE_BEGIN:-PARENT_LENGTH] == TRACE_LINE:
                if not passed or passed[-1][0] != TRACEPARENT:  # it is one that is not passed on
                    return
                self._traced.store(block[:TRACE_BEGIN], PlainFields(passed[:-1], authority, head.content_length))
            else:
                self._known.store(block, PlainFields(passed, authority, head.content_length))

    def _known_but_for_trace(self, data: bytes, begin: int, end: int) -> PlainFields | None:
        """Return the fields of a block that came before with another traceparent, which is its last field."""
        fields = self._traced.get(data[begin : end + TRACE_BEGIN])
        value = data[end - PARENT_LENGTH : end]
        if fields is None or len(value) != PARENT_LENGTH or value.translate(None, TRACE_BYTES):
            return None
        return PlainFields([*fields.passed, (TRACEPARENT, value)], fields.authority, fields.content_length)

    def _begin(self, raw: bytes) -> None:
        if not self._head_parsed:
            raise RequestError(400, "the request is not valid HTTP/1.1")
        line = _REQUEST_LINE.match(raw)
        if line is None:
            if _OTHER_VERSION.match(raw):
                raise RequestError(505, _VERSIONS)
            raise RequestError(400, "the request line is not valid")
        method, target, minor = line.groups()
        minor_version = 1 if minor == b"1" else 0
        head = check_head(method, target, minor_version, self._passed, self._not_passed, self._escaped_slashes)
        self._cache(raw, head)
        if any(name == b"proxy-connection" for name, _ in self._not_passed):
            self._parser = None  # a `close` of it ends the connection for llhttp, but not for anybody else
        if head.has_body:
            self._parser = None  # it waits for the body
            self._remaining = head.content_length
            self._chunks = ChunkedReader(self._limits.size) if head.chunked else None
        else:
            self.complete = True
        self.head = head

    def _parse(self, piece: bytes, known: int) -> None:
        """Check a piece of the head with llhttp; `known`: bytes of it that came before."""
        lines = self._lines
        self._lines += piece.count(b"\n")
        too_many = self._lines > self._limits.fields + 2  # with the request line and the empty one
        if too_many:
            allowed = self._limits.fields + 2 - lines
            piece = piece[: len(piece) - len(piece.split(b"\n", allowed)[allowed])]
        if known == self._unshown:
            piece = self._with_shown_method(bytes(self._raw[:known]) + piece if known else piece)
            known = 0
        if not piece.isascii():
            piece = self._with_ascii_line(piece, known)
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpRequestParser(self)
        try:
            parser.feed_data(piece)
        except httptools.HttpParserUpgrade:
            self._parser = None
        except httptools.HttpParserError as error:
            if str(error) == _INVALID_VERSION:
                raise RequestError(505, _VERSIONS) from error
            raise RequestError(400, f"the request is not valid HTTP/1.1: {error}") from error
        if too_many:
            raise RequestError(431, f"the request has more than {self._limits.fields} header fields")

    def _with_shown_method(self, piece: bytes) -> bytes:
        """Replace a method that llhttp does not know; return nothing while the method is not complete."""
        end = piece.find(b" ")
        method = piece[:end] if end >= 0 else piece
        if method in _SHOWN_METHODS or not _METHOD.fullmatch(method):
            return piece
        if end < 0:
            self._unshown = len(piece)
            return b""
        return _STAND_IN + piece[end:]

    def _with_ascii_line(self, piece: bytes, known: int) -> bytes:
        """Hide from llhttp the bytes that browsers and curl send, and it refuses; the target itself is read apart."""
        line_end = 0 if b"\n" in self._raw[:known] else piece.find(b"\n")
        if line_end < 0:
            line_end = len(piece)
        return piece[:line_end].translate(_ASCII) + piece[line_end:]

    # What llhttp calls. Nothing is decided here: a head may still turn out wrong in the same piece of input.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field."""
        special = self._names[name]
        if special is None:
            self._passed.append((name, value.rstrip(OWS)))
        elif special:
            self._not_passed.append((special, value.rstrip(OWS)))

    def on_headers_complete(self) -> None:
        """Note the end of the head."""
        self._head_parsed = True
