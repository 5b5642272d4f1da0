"""Reads chunked bodies (RFC 9112 7.1), strictly, and never a byte beyond their end."""

from __future__ import annotations

import enum
import re

from pywatt.http.request_error import RequestError

_TOKEN = rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_QUOTED = rb'"(?:[\t\x20\x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t\x20-\x7e\x80-\xff])*+"'
_EXTENSION = rb"[\t ]*;[\t ]*%b(?:[\t ]*=[\t ]*(?:%b|%b))?" % (_TOKEN, _TOKEN, _QUOTED)
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})(?:%b)*+\r\n" % _EXTENSION)
_TRAILER = re.compile(rb"%b:[\t\x20-\x7e\x80-\xff]*\r\n" % _TOKEN)
_EMPTY = b"\r\n"
LINES = 128
"""Lines between data that are read in one go: other connections may be waiting while a body comes in tiny chunks."""


class _Line(enum.Enum):
    """The kind of the next line."""

    SIZE = enum.auto()
    END_OF_CHUNK = enum.auto()
    TRAILER = enum.auto()


class ChunkedReader:
    """Turns the bytes of one chunked body into data; extensions and trailers are checked and dropped."""

    __slots__ = ("_limit", "_line", "_next", "_remaining", "_trailers", "complete")

    def __init__(self, limit: int) -> None:
        """`limit`: bytes of one line, and of all trailers together."""
        self._limit = limit
        self._next = _Line.SIZE
        self._line = b""
        self._remaining = 0
        self._trailers = 0
        self.complete = False
        """True once the body was read to its end."""

    def feed(self, data: bytes, into: list[bytes]) -> bytes:
        """Add the data of the chunks to `into`; return the bytes behind the body's end, or behind many small chunks.

        Raises RequestError.
        """
        position = lines = 0
        while position < len(data) and not self.complete and lines < LINES:
            if self._remaining:
                piece = data[position : position + self._remaining]
                into.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
                continue
            end = data.find(b"\n", position) + 1
            piece = data[position:end] if end else data[position:]
            position += len(piece)
            self._line += piece
            if len(self._line) + self._trailers > self._limit:
                raise RequestError(431, "the chunk extensions or trailers of the body are too large")
            if end:
                lines += 1
                line, self._line = self._line, b""
                self._take(line)
        return data[position:]

    def _take(self, line: bytes) -> None:
        if self._next is _Line.SIZE:
            match = _SIZE.fullmatch(line)
            if match is None:
                raise RequestError(400, "the chunked body is not valid")
            self._remaining = int(match[1], 16)
            self._next = _Line.END_OF_CHUNK if self._remaining else _Line.TRAILER
        elif line == _EMPTY:
            self.complete = self._next is _Line.TRAILER
            self._next = _Line.SIZE
        elif self._next is _Line.TRAILER and _TRAILER.fullmatch(line):
            self._trailers += len(line)
        else:
            raise RequestError(400, "the chunked body is not valid")
