"""Header fields (RFC 9110): names that concern one connection only, and the grammar of names and values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
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
        b"cf-connecting-ip",
        b"client-cert",
        b"client-cert-chain",
        b"client-ip",
        b"fastly-client-ip",
        b"forwarded",
        b"front-end-https",
        b"true-client-ip",
        b"x-arr-ssl",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-forwarded",
        b"x-host",
        b"x-http-host-override",
        b"x-real-ip",
        b"x-rewrite-url",
        b"x-scheme",
        b"x-script-name",
        b"x-url-scheme",
    }
)
FORWARDED_PREFIXES = (
    b"ssl-client-",
    b"x-auth-request-",
    b"x-envoy-",
    b"x-forwarded-",
    b"x-original-",
    b"x-remote-",
    b"x-ssl-",
)
"""Names, and beginnings of names, of the fields in which proxies describe a client and its request.

They are believed only from a trusted peer: each is read by a framework or server that people run. So Symfony and IIS
read the path from `X-Original-URL` and `X-Rewrite-URL`, content delivery networks tell the address in
`True-Client-IP`, nginx, Traefik and Envoy the client certificate, oauth2-proxy the user.
"""


def is_forwarded(name: bytes) -> bool:
    """Tell whether a lower-case name is that of a field in which proxies describe a client."""
    return name in FORWARDED or name.startswith(FORWARDED_PREFIXES)


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

    def __init__(
        self,
        special: frozenset[bytes],
        *,
        noted: frozenset[bytes] = frozenset(),
        dropped: Callable[[bytes], bool] | None = None,
    ) -> None:
        """`special`: names in lower case. `noted`: such names whose look-alikes with `_` are passed on.

        `dropped` tells of a lower-case name whether its fields are left out.
        """
        super().__init__()
        self._special = special
        self._noted = noted
        self._dropped = dropped

    def __missing__(self, name: bytes) -> bytes | None:
        lower = name.lower()
        verdict: bytes | None = None
        # CGI, and so WSGI, cannot tell `Content_Length` from `Content-Length`.
        dashed = lower.replace(b"_", b"-")
        if lower in self._special or lower in self._noted:
            verdict = lower
        elif dashed in self._special or (self._dropped is not None and self._dropped(dashed)):
            verdict = b""
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
