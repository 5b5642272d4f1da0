"""Reads one response at a time from the bytes of a connection to a server.

Doubt about the end of a response is an error: bytes behind it, transfer codings other than chunked, a 101 that nobody
asked for. So is a response that never comes, or never ends: informational responses without number, trailers without
end.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import httptools

from pywatt.errors import BadResponse
from pywatt.http.header_cache import BLOCK_SIZE, HeaderCache
from pywatt.http.headers import HOP_BY_HOP, OWS, FieldNames, Header, tokens

ADDRESSED = frozenset({b"content-location", b"link", b"location", b"refresh", b"set-cookie"})
"""Names of the fields in which a service tells clients where something is."""
_NAMES = FieldNames(HOP_BY_HOP | {b"content-length", b"date"}, noted=ADDRESSED)
_CONNECTION_WORDS = {b"close", b"keep-alive", b"upgrade"}
SWITCHING_PROTOCOLS = 101
BODILESS = (204, 304)
EMPTY_LINE = b"\r\n\r\n"
HTTP_VERSIONS = ("1.1", "1.0")
FINAL = range(200, 1000)
PIECES = 256
"""Pieces of a body in one read above which they are tiny."""
INFORMATIONAL = 32
"""1xx responses that may come before the response."""
START_SIZE = 1024
"""Bytes of an unfinished head that are kept for `status_of`."""
_IDLE_TIMEOUT = re.compile(rb"(?:^|,)[ \t]*timeout[ \t]*=[ \t]*([0-9]{1,9})", re.IGNORECASE)
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] ([1-9][0-9]{2})(?: [^\r\n]*)?\r?\n")


@dataclass(slots=True)
class ResponseHead:
    """The head of a response."""

    status: int
    headers: list[Header]
    """The fields that concern the next hop, in order, without framing and connection."""
    content_length: int | None
    until_close: bool
    """The body ends with the connection."""
    keep_alive: bool
    dated: bool
    """True with a Date."""
    upgrade: tuple[bytes, ...] = ()
    """The protocols that the Upgrade header names, in lower case."""
    addressed: bool = False
    """True with a field of ADDRESSED."""
    idle_timeout: int | None = None
    """Seconds after which the server closes an idle connection, as `Keep-Alive: timeout=` says."""
    _lower: tuple[Header, ...] | None = field(default=None, init=False, compare=False, repr=False)

    @property
    def is_event_stream(self) -> bool:
        """True for a stream of server-sent events without a known length."""
        return self.content_length is None and any(
            name.lower() == b"content-type" and value.lower().startswith(b"text/event-stream")
            for name, value in self.headers
        )

    def lower_headers(self) -> tuple[Header, ...]:
        """Return the fields with their names in lower case."""
        if self._lower is None:
            self._lower = tuple((name.lower(), value) for name, value in self.headers)
        return self._lower


class _Trailers(list[Header]):
    """Fields behind a body: they are counted and dropped."""

    LIMIT = 128

    def __init__(self) -> None:
        super().__init__()
        self._number = 0

    def append(self, _field: Header) -> None:
        self._number += 1
        if self._number > self.LIMIT:
            raise BadResponse(f"the response has more than {self.LIMIT} trailers")


_known_heads: HeaderCache[ResponseHead] = HeaderCache()
"""Heads of responses with a body of known length, by their bytes."""


class ResponseReader:
    """Turns bytes into the response to one request, then the next."""

    __slots__ = (
        "_addressed",
        "_body",
        "_dated",
        "_head_bytes",
        "_interim",
        "_max_head",
        "_not_passed",
        "_parser",
        "_passed",
        "_start",
        "_tail_bytes",
        "_to_head",
        "_upgradable",
        "complete",
        "head",
        "informational",
        "scattered",
        "surplus",
    )

    def __init__(self, max_head: int) -> None:
        """`max_head`: bytes that a head may have, and the bytes between the pieces of a body and behind it."""
        self._max_head = max_head
        self._passed: list[Header] = []
        self._not_passed: list[Header] = []
        self._body: list[bytes] = []
        self._parser: httptools.HttpResponseParser | None = None
        self.informational: list[ResponseHead] = []
        """1xx responses that came before; to be taken by the reader's owner."""
        self._dated = False
        self._addressed = False
        self._start = b""
        self.expect(to_head=False, upgradable=False)

    def expect(self, *, to_head: bool, upgradable: bool) -> None:
        """Get ready for the next response. `to_head`: it answers HEAD. `upgradable`: it may be a 101."""
        self._to_head = to_head
        self._upgradable = upgradable
        self._head_bytes = self._tail_bytes = self._interim = 0
        self.head: ResponseHead | None = None
        self.complete = False
        self._start = b""
        if self._passed is self._not_passed:  # trailers of the response before
            self._passed, self._not_passed, self._dated, self._addressed = [], [], False, False
        self.scattered = False
        """True when the body comes in tiny pieces, so that reading much of it at once takes long."""
        self.surplus = False
        """True when bytes came behind the response: the connection must not be used again."""

    def recognise(self, data: bytes) -> tuple[ResponseHead, bytes] | None:
        """Return head and body if this is the whole response, and its head came before; then it need not be fed."""
        if self.head is not None or self._head_bytes or self._to_head or self._max_head < BLOCK_SIZE:
            return None
        end = data.find(EMPTY_LINE) + len(EMPTY_LINE)
        head = _known_heads.get(data[:end])
        if head is None or (head.content_length or 0) != len(data) - end:
            return None
        return head, data[end:]

    def feed(self, data: bytes) -> bytes:
        """Read; return the bytes behind a 101, which are not HTTP any more. Raises BadResponse."""
        is_first = self.head is None and not self._head_bytes
        parser = self._parser
        if parser is None:
            parser = self._parser = httptools.HttpResponseParser(self)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.complete = True
            return data[upgrade.args[0] :]
        except httptools.HttpParserError as error:
            if not self.complete or (self.head is not None and self.head.status == SWITCHING_PROTOCOLS):
                cause = error.__context__
                raise cause if isinstance(cause, BadResponse) else BadResponse(f"not HTTP/1.1: {error}") from error
            self.surplus = True
        if self.head is None:
            self._head_bytes += len(data)
            self._start = (self._start + data)[:START_SIZE]
            if self._head_bytes > self._max_head:
                raise BadResponse(f"the head of the response is larger than {self._max_head} bytes")
        elif not self.complete:
            self._tail_bytes = 0 if self._body or is_first else self._tail_bytes + len(data)
            if self._tail_bytes > self._max_head:
                raise BadResponse(f"the trailers of the response are larger than {self._max_head} bytes")
        elif self._to_head:
            self._parser = None  # it waits for the body which a response to HEAD does not have
        elif is_first and self.head.keep_alive and not self.surplus and not self.informational:
            self._cache(data, self.head)
        return b""

    def _cache(self, data: bytes, head: ResponseHead) -> None:
        """Cache the head of a response that came in one piece."""
        end = data.find(EMPTY_LINE) + len(EMPTY_LINE)
        if end > len(EMPTY_LINE) and (head.content_length or 0) == len(data) - end:
            _known_heads.store(data[:end], head)

    def start_of_bad(self, data: bytes) -> bytes:
        """Return the first bytes of a response whose head was refused with this piece."""
        return (self._start + data)[:START_SIZE] if self.head is None else b""

    def status_of_bad(self, data: bytes) -> int | None:
        """Return the final status of a response that was refused with this piece, if it can be told all the same."""
        status = status_of(self._start + data) if self.head is None else self.head.status
        return status if status in FINAL else None

    def take_body(self) -> bytes:
        """Return the part of the body that was read since the last call."""
        pieces = self._body
        if not pieces:
            return b""
        if len(pieces) == 1:
            body = pieces[0]
        else:
            body = b"".join(pieces)
            self.scattered = len(pieces) > PIECES
        pieces.clear()
        return body

    # What llhttp calls.

    def on_message_begin(self) -> None:
        """Notice bytes behind the response."""
        if self.complete:
            self.surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field; behind the head it is a trailer, which is never looked at."""
        special = _NAMES[name]
        if special is None:
            self._passed.append((name, value.rstrip(OWS)))
        elif special == b"date":
            self._passed.append((name, value.rstrip(OWS)))
            self._dated = True
        elif special in ADDRESSED:
            self._passed.append((name, value.rstrip(OWS)))
            self._addressed = True
        elif special:
            self._not_passed.append((special, value.rstrip(OWS)))

    def on_headers_complete(self) -> None:
        """Make the head."""
        if self.complete:
            return
        passed, not_passed, dated, addressed = self._passed, self._not_passed, self._dated, self._addressed
        self._passed, self._not_passed, self._dated, self._addressed = [], [], False, False
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        keep_alive = parser.should_keep_alive()  # False when the body ends with the connection
        if not 100 <= status <= 999 or not (keep_alive or parser.get_http_version() in HTTP_VERSIONS):
            raise BadResponse("the status line is not valid HTTP/1.1")
        head = ResponseHead(status, passed, None, False, keep_alive, dated, addressed=addressed)
        _apply(head, not_passed)
        if status < 200:
            if status != SWITCHING_PROTOCOLS:
                self._interim += 1
                if self._interim > INFORMATIONAL:
                    raise BadResponse(f"more than {INFORMATIONAL} informational responses came before the response")
                self._head_bytes = 0
                self.informational.append(head)
                return
            if not self._upgradable or not head.upgrade:
                raise BadResponse("101 Switching Protocols without having been asked for it")
        elif self._to_head:
            self.complete = True
            head.until_close = False
        elif status in BODILESS:
            head.until_close = False
        self.head = head
        self._passed = self._not_passed = _Trailers()

    def on_body(self, data: bytes) -> None:
        """Keep a piece of the body."""
        if self.complete:
            self.surplus = True
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        """Note the end of the response."""
        if self.head is not None:
            self.complete = True


def status_of(start: bytes) -> int | None:
    """Return the final status of a response, however its fields look; None when it does not begin with one."""
    at = 0
    while (line := _STATUS_LINE.match(start, at)) is not None:
        status = int(line[1])
        if status in FINAL:
            return status
        at = start.find(EMPTY_LINE, at) + len(EMPTY_LINE)
        if at < len(EMPTY_LINE):
            break
    return None


def _apply(head: ResponseHead, not_passed: list[Header]) -> None:
    """Apply the fields that concern framing and connection."""
    chunked = False
    for name, value in not_passed:
        if name == b"content-length":
            head.content_length = int(value)
        elif name == b"transfer-encoding":
            if chunked or value.lower() != b"chunked":
                raise BadResponse("the response has a transfer coding other than chunked")
            chunked = True
        elif name == b"connection":
            hop_by_hop = set(tokens(value)) - _CONNECTION_WORDS
            if hop_by_hop:
                head.headers = [header for header in head.headers if header[0].lower() not in hop_by_hop]
        elif name == b"keep-alive":
            timeout = _IDLE_TIMEOUT.search(value)
            if timeout is not None:
                head.idle_timeout = int(timeout[1])
        elif name == b"upgrade":
            head.upgrade += tokens(value)
    head.until_close = head.content_length is None and not chunked
