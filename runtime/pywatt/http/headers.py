"""Header fields (RFC 9110): names that concern one connection only, and the grammar of names and values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

Header = tuple[bytes, bytes]
Headers = Sequence[Header]

OWS = b" \t"

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"http2-settings",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Names that end at the next connection (RFC 9110 7.6.1); never passed on."""

FORWARDED = frozenset(
    {
        b"forwarded",
        b"x-forwarded-for",
        b"x-forwarded-host",
        b"x-forwarded-port",
        b"x-forwarded-prefix",
        b"x-forwarded-proto",
        b"x-forwarded-server",
        b"x-real-ip",
    }
)
"""Names of the fields in which proxies describe the client; believed only when they come from a trusted peer."""

_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_BAD_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


@lru_cache(maxsize=256)
def tokens(value: bytes) -> tuple[bytes, ...]:
    """Return the members of a comma-separated list, in lower case."""
    return tuple(token for part in value.lower().split(b",") if (token := part.strip(OWS)))


class FieldNames(dict[bytes, bytes | None]):
    """The treatment of header fields by their names as they were sent: looked up once per name, for all connections.

    None: pass it on. Empty: drop it. Else it is one of the special fields, and this is its name in lower case.
    """

    LIMIT = 1000
    """Names that are kept: clients can make up any number."""

    def __init__(self, special: frozenset[bytes], *, noted: frozenset[bytes] = frozenset()) -> None:
        """`special`: names in lower case. `noted`: such names whose look-alikes with `_` are passed on."""
        super().__init__()
        self._special = special
        self._noted = noted

    def __missing__(self, name: bytes) -> bytes | None:
        lower = name.lower()
        verdict: bytes | None = None
        if lower in self._special or lower in self._noted:
            verdict = lower
        elif b"_" in lower and lower.replace(b"_", b"-") in self._special:
            verdict = b""  # CGI, and so WSGI, cannot tell `Content_Length` from `Content-Length`
        if len(self) < self.LIMIT:
            self[name] = verdict
        return verdict


def is_token(text: bytes) -> bool:
    """Tell whether the text may be a method or the name of a header field."""
    return _NAME.fullmatch(text) is not None


def check_header(name: bytes, value: bytes) -> None:
    """Refuse a header that would break out of its line. Raises ValueError."""
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"not a header name: {name!r}")
    if _BAD_IN_VALUE.search(value) is not None:
        raise ValueError(f"the value of the header {name.decode()} contains control characters")


def has_bad_value(values: Iterable[bytes]) -> bool:
    """Tell whether `check_header` refuses any of these values; quicker than asking for each."""
    return _BAD_IN_VALUE.search(b"".join(values)) is not None


def write_head(first_line: bytes, headers: Iterable[Header]) -> bytes:
    """Return a message's head without the empty line that ends it."""
    parts = [first_line]
    for name, value in headers:
        parts += (name, b": ", value, b"\r\n")
    return b"".join(parts)


def chunk(data: bytes) -> bytes:
    """Return one chunk of a chunked body (RFC 9112 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)


LAST_CHUNK = b"0\r\n\r\n"
