"""The parts of a response that a server writes in HTTP/1.1: heads, pieces of the body, the end (pure)."""

from __future__ import annotations

import enum
from typing import Protocol

from pywatt.http.chunked import ChunkedReader
from pywatt.http.headers import OWS, Header

END = b"\r\n\r\n"
MAX_HEAD = 256 * 1024
"""Bytes of a head above which a server has lost its way."""
MAX_EXTENSIONS = 32 * 1024
SWITCHING_PROTOCOLS = 101
BODILESS = (204, 304)
_OF_CONNECTIONS = frozenset({b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_OF_WEBSOCKETS = frozenset({b"sec-websocket-accept"})


class Receiver(Protocol):
    """Takes the parts."""

    def on_head(self, status: int, headers: list[Header]) -> None:
        """Take a head, of an informational response too. Names are in lower case."""
        ...

    def on_piece(self, data: bytes) -> None:
        """Take a piece of the body, or of a tunnel."""
        ...

    def on_end(self) -> None:
        """Note the end of the response."""
        ...


class _Stage(enum.Enum):
    HEAD = enum.auto()
    SIZED = enum.auto()
    CHUNKED = enum.auto()
    OPEN = enum.auto()
    """Until the server closes: a tunnel, or a body of unknown length."""
    ENDED = enum.auto()


class ResponseParts:
    """Reads the response to one request."""

    __slots__ = ("_chunks", "_held", "_left", "_receiver", "_stage", "_to_head")

    def __init__(self, receiver: Receiver, *, to_head: bool) -> None:
        """`to_head`: True for the response to HEAD."""
        self._receiver = receiver
        self._to_head = to_head
        self._held = b""
        self._stage = _Stage.HEAD
        self._left = 0
        self._chunks = ChunkedReader(MAX_EXTENSIONS)

    @property
    def begun(self) -> bool:
        """True once the final head was read."""
        return self._stage is not _Stage.HEAD

    @property
    def ended(self) -> bool:
        """True once the response is complete."""
        return self._stage is _Stage.ENDED

    def feed(self, data: bytes) -> None:
        """Read more. Raises ValueError for what is no response."""
        while data and self._stage is _Stage.HEAD:
            data = self._feed_head(data)
        if not data or self._stage is _Stage.ENDED:
            return
        if self._stage is _Stage.OPEN:
            self._receiver.on_piece(data)
        elif self._stage is _Stage.SIZED:
            piece = data[: self._left]
            self._left -= len(piece)
            self._receiver.on_piece(piece)
            if not self._left:
                self._end()
        else:
            pieces: list[bytes] = []
            while data and not self._chunks.complete:
                data = self._chunks.feed(data, pieces)
            if pieces:
                self._receiver.on_piece(b"".join(pieces))
            if self._chunks.complete:
                self._end()

    def close(self) -> bool:
        """Note that the server has closed; False: the response is cut off."""
        if self._stage is _Stage.OPEN:
            self._end()
        return self._stage is _Stage.ENDED

    def _end(self) -> None:
        self._stage = _Stage.ENDED
        self._receiver.on_end()

    def _feed_head(self, data: bytes) -> bytes:
        if self._held:
            data = self._held + data
        end = data.find(END)
        if end < 0:
            if len(data) > MAX_HEAD:
                raise ValueError("the head of the response is too large")
            self._held = data
            return b""
        self._held = b""
        line, *fields = data[:end].split(b"\r\n")
        status = int(line[9:12])
        headers: list[Header] = []
        length, chunked = None, False
        for field in fields:
            name, colon, value = field.partition(b":")
            name, value = name.lower(), value.strip(OWS)
            if not colon:
                raise ValueError("a header field of the response is not valid")
            if name == b"content-length":
                length = int(value)
            elif name == b"transfer-encoding":
                chunked = True
            if name not in _OF_CONNECTIONS and not (status == SWITCHING_PROTOCOLS and name in _OF_WEBSOCKETS):
                headers.append((name, value))
        if status == SWITCHING_PROTOCOLS:
            self._stage = _Stage.OPEN
        elif status >= 200:
            self._begin_body(status, length, chunked=chunked)
        self._receiver.on_head(status, headers)
        if self._stage is _Stage.ENDED:
            self._receiver.on_end()
        return data[end + len(END) :]

    def _begin_body(self, status: int, length: int | None, *, chunked: bool) -> None:
        if self._to_head or status in BODILESS:
            self._stage = _Stage.ENDED
        elif chunked:
            self._stage = _Stage.CHUNKED
        elif length is None:
            self._stage = _Stage.OPEN
        else:
            self._left = length
            self._stage = _Stage.SIZED if length else _Stage.ENDED
