"""Reads requests for an application in this process: as strictly as for a next hop, but keeping every header field."""

from __future__ import annotations

import re

from pywatt.http.headers import Header
from pywatt.http.limits import HeadLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_reader import RequestReader
from pywatt.http.target import ASTERISK, encode_target

_ORIGIN = re.compile(rb"[^:/?#]+://[^/?#]*")


class ApplicationRequestReader(RequestReader):
    """Reads one request after the other."""

    __slots__ = ("fields",)

    def __init__(self, limits: HeadLimits) -> None:
        super().__init__(limits)
        self.fields: list[Header] = []
        """All fields of the current head in order, names in lower case.

        Without `Proxy`, and without look-alikes that CGI takes for a special field, such as `Content_Length`.
        """

    def next(self) -> None:
        """Get ready for the request that follows on the connection."""
        super().next()
        self.fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header field."""
        special = self._names[name]
        if special is None or special not in (b"", b"proxy"):
            self.fields.append((name.lower(), value))
        super().on_header(name, value)

    def _begin_known(self, data: bytes, end: int, limit: int) -> bool:
        return False

    def _cache(self, raw: bytes, head: RequestHead) -> None:
        """Cache nothing: a cached head has no fields."""

    def own_fields(self) -> list[Header]:
        """Return the fields with the Host that the request is for (RFC 9112 3.2.2: an absolute target overrules)."""
        head, fields = self.head, self.fields
        assert head is not None
        if head.target.startswith(b"/") or head.target == ASTERISK:
            return fields
        return [(b"host", head.authority), *((name, value) for name, value in fields if name != b"host")]


def sent_target(target: bytes) -> tuple[bytes, bytes]:
    """Return path and query (with its `?`) of a target that was found valid: percent-encoded, not in normal form."""
    if target == ASTERISK:
        return target, b""
    if not target.startswith(b"/"):
        target = _ORIGIN.sub(b"", target, count=1)
        if not target.startswith(b"/"):
            target = b"/" + target
    return encode_target(target)
