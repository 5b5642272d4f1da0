"""Reads plain requests, as nearly all are: one that came whole and alone, without Upgrade or Expect.

The verdict is llhttp's here as anywhere; what makes this quick is that none of its callbacks is Python, and that a
header block that came before is not read again (docs/adr/0007). Other requests are left to `ApplicationRequestReader`:
a request that it refuses, or sees otherwise, must not be plain.
"""

from __future__ import annotations

import re
from functools import partial
from urllib.parse import unquote

import httptools

from pywatt.http.header_cache import HeaderCache
from pywatt.http.headers import FieldNames, Header
from pywatt.http.limits import HeadLimits
from pywatt.http.request import MAX_LENGTH_DIGITS, NOT_PASSED
from pywatt.http.target import BAD_PERCENT, PLAIN_TARGET, SENT_TARGET, is_authority
from pywatt.telemetry.trace_context import (
    PARENT_LENGTH,
    TRACE_BEGIN,
    TRACE_BYTES,
    TRACE_LINE,
    TRACEPARENT,
)
from pywatt.worker.asgi.forwarded import PROTO, Forwarded, forwarded

SIZE_LIMIT = 64 * 1024
"""Bytes of a request above which it is not plain: its body may have to wait for the application."""
SHAPES = 256
"""Sequences of header names that are cached."""
NAMES_SIZE = 2048
"""Bytes of a sequence of names above which it is not cached."""
HOSTS = 256
"""Hosts that are cached."""
HOST_SIZE = 256
"""Bytes of a host above which it is not cached."""

PlainRequest = tuple[str, str, bytes, bytes, list[Header], Forwarded | None, bytes]
"""Method, path, path as sent, query, headers with lower-case names, the gateway's forwarding data, body."""

_Names = tuple[bytes, ...]
_Shape = tuple[_Names, bytes, bytes, bytes, bool]
"""Lower-case names, none if they came so; `Host`, `Connection` and `Content-Length` as they came, empty if not; and
whether the gateway's are among them."""

_EMPTY_LINE = b"\r\n\r\n"
_LINE = re.compile(rb"((?!TRACE )[A-Z-]++) %b HTTP/1\.1\r\n" % SENT_TARGET)
_PLAIN_LINE = re.compile(rb"(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) %b HTTP/1\.1" % PLAIN_TARGET)
_NOT_PLAIN = frozenset({b"expect", b"proxy", b"proxy-connection", b"transfer-encoding", b"upgrade"})
_BEGIN = b"begin"
_END = b"end"
_SPECIAL = FieldNames(NOT_PASSED)
_P = ord("P")
_LINE_BEGIN, _LINE_END = TRACE_BEGIN - len(_EMPTY_LINE), -PARENT_LENGTH - len(_EMPTY_LINE)
"""Place of the name of a traceparent that ends a head."""
_HEAD_SIZE, _FIELDS = HeadLimits().size, HeadLimits().fields


class PlainReader:
    """Reads plain requests of any number of connections."""

    def __init__(self) -> None:
        self._blocks: HeaderCache[tuple[list[Header], Forwarded | None]] = HeaderCache()
        self._traced_blocks: HeaderCache[tuple[list[Header], Forwarded | None]] = HeaderCache()
        """Blocks without their last field, a traceparent, which differs with each request."""
        self._shapes = _Shapes()
        self._hosts: set[bytes] = set()
        self._start_anew()

    def read(self, data: bytes) -> PlainRequest | None:
        """Return the request that these bytes are, or None when they are anything but one plain request."""
        body = block = b""
        if data.endswith(_EMPTY_LINE):
            line_end = data.find(b"\r\n")
            block = data[line_end:-4]
            if self._traced_blocks and data[_LINE_BEGIN:_LINE_END] == TRACE_LINE:
                known = self._known_but_for_trace(block)
            else:
                known = self._blocks.get(block)
            if known is not None:
                line = _PLAIN_LINE.fullmatch(data, 0, line_end)
                if line is not None and len(data) <= _HEAD_SIZE:
                    method, raw_path, query = line.groups(b"")
                    headers, told = known
                    return method.decode(), raw_path.decode(), raw_path, query[1:], headers.copy(), told, b""
            if data[0] == _P and b"ength: 0\r\n" not in data:
                return None  # the body is still to come, as it is when a client sends it by itself
        elif len(data) > SIZE_LIMIT:
            return None
        events, fields = self._events, self._fields
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._start_anew()
            return None
        if len(events) == 3:
            body = events[1]
        if (
            not 2 <= len(events) <= 3
            or events[-1] is not _END
            or (line := _LINE.match(data)) is None
            or (size := len(data) - len(body)) > _HEAD_SIZE
            or data.count(b"\n", 0, size) != len(fields) + 2  # a name that came twice is there once
            or (shape := self._shapes[tuple(fields)]) is None
            or (fields[shape[1]] not in self._hosts and not self._is_host(fields[shape[1]]))
            or (shape[2] and fields[shape[2]].lower() != b"keep-alive")
            or (body and len(fields[shape[3]]) > MAX_LENGTH_DIGITS)
        ):
            self._start_anew()
            return None
        names = shape[0]
        headers = list(zip(names, fields.values(), strict=True) if names else fields.items())
        told = forwarded(fields) if shape[4] else None
        events.clear()
        fields.clear()
        if block and not body:
            if block[TRACE_BEGIN:-PARENT_LENGTH] == TRACE_LINE:
                self._traced_blocks.store(block[:TRACE_BEGIN], (headers[:-1], told))
            else:
                self._blocks.store(block, (headers.copy(), told))
        method, raw_path, query = line.groups(b"")
        path = raw_path.decode()
        if "%" in path:
            if BAD_PERCENT.search(raw_path):
                return None
            path = unquote(path)
        return method.decode(), path, raw_path, query, headers, told, body

    def _known_but_for_trace(self, block: bytes) -> tuple[list[Header], Forwarded | None] | None:
        """Return what a block means that came before with another traceparent, which is its last field."""
        known = self._traced_blocks.get(block[:TRACE_BEGIN])
        value = block[-PARENT_LENGTH:]
        if known is None or value.translate(None, TRACE_BYTES):
            return None
        headers, told = known
        return [*headers, (TRACEPARENT, value)], told

    def _is_host(self, host: bytes) -> bool:
        """Return whether it names a host, and cache that it does."""
        if not is_authority(host):
            return False
        if len(host) <= HOST_SIZE:
            if len(self._hosts) >= HOSTS:
                self._hosts.clear()
            self._hosts.add(host)
        return True

    def _start_anew(self) -> None:
        """Make a parser that stands before a message."""
        self._events: list[bytes] = []
        self._fields: dict[bytes, bytes] = {}
        self._parser = httptools.HttpRequestParser(_Callbacks(self._events, self._fields))


class _Callbacks:
    """The results of llhttp, noted without a line of Python."""

    def __init__(self, events: list[bytes], fields: dict[bytes, bytes]) -> None:
        self.on_message_begin = partial(events.append, _BEGIN)
        self.on_header = fields.setdefault
        self.on_body = events.append
        self.on_message_complete = partial(events.append, _END)


class _Shapes(dict[_Names, _Shape | None]):
    """The facts of the header names of a request; None: it is not plain."""

    def __missing__(self, sent: _Names) -> _Shape | None:
        names = tuple(name.lower() for name in sent)
        shape: _Shape | None = None
        if (
            len(set(names)) == len(names) <= _FIELDS
            and b"host" in names
            and _NOT_PLAIN.isdisjoint(names)
            and not any(_SPECIAL[name] == b"" for name in names)  # is left out: it could be taken for another
        ):
            as_sent = dict(zip(names, sent, strict=True))
            host, connection, length = (as_sent.get(name, b"") for name in (b"host", b"connection", b"content-length"))
            shape = () if names == sent else names, host, connection, length, PROTO in sent
        if len(b"".join(sent)) <= NAMES_SIZE:
            if len(self) >= SHAPES:
                self.clear()
            self[sent] = shape
        return shape
