"""The head of a request: rules beyond its syntax (RFC 9112, RFC 9110), and the fields that are passed on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pywatt.http.headers import HOP_BY_HOP, Header, tokens
from pywatt.http.request_error import RequestError
from pywatt.http.target import EscapedSlashes, is_authority, split_target

MAX_LENGTH_DIGITS = 18

NOT_PASSED = HOP_BY_HOP | {b"host", b"content-length", b"expect", b"proxy"}
"""Written anew for the next hop, or ended here. `Proxy` is an attack on CGI programs (httpoxy), nothing else."""

NOT_SERVED = (b"CONNECT", b"TRACE")
"""Methods of proxies, and of an echo that shows cookies and credentials to scripts (RFC 9110 9.3.8)."""
WEBSOCKET = b"websocket"
KEEP_ALIVE = (b"keep-alive",)
_CONNECTION_WORDS = {b"close", b"keep-alive", b"upgrade"}


@dataclass(slots=True)
class RequestHead:
    """A request that may be served."""

    method: bytes
    target: bytes
    """The target as it was sent; for messages only."""
    path: bytes
    """The path in normal form, or `*`."""
    query: bytes
    """The query with its `?`; empty without one."""
    authority: bytes
    """Host and port that the request is for; empty only in HTTP/1.0."""
    headers: list[Header]
    """The fields that concern the next hop, in order, without framing, connection and Host."""
    minor: int
    """HTTP/1.`minor`."""
    content_length: int
    """Bytes of the body; 0 also when it is chunked."""
    chunked: bool
    keep_alive: bool
    expects_continue: bool = False
    websocket: bool = False
    """Asks to upgrade to a WebSocket; any other upgrade is ignored, as RFC 9110 7.8 allows."""
    end: bytes = b"\r\n"
    """End of the head for the next hop: further lines, if it gets any, and the empty one."""

    @property
    def has_body(self) -> bool:
        """True when a body follows."""
        return self.chunked or self.content_length > 0


def check_head(
    method: bytes,
    target: bytes,
    minor: int,
    passed: list[Header],
    not_passed: Sequence[Header],
    escaped_slashes: EscapedSlashes = EscapedSlashes.LEAVE,
) -> RequestHead:
    """Check the parts of a head and put it together. Raises RequestError.

    `not_passed`: the fields with a name in NOT_PASSED, names in lower case.
    """
    # Tuples, because nearly all of them stay empty, and this runs for every request.
    hosts: tuple[bytes, ...] = ()
    lengths: tuple[bytes, ...] = ()
    codings: tuple[bytes, ...] = ()
    connection: tuple[bytes, ...] = ()
    upgrades: tuple[bytes, ...] = ()
    expects = False
    for name, value in not_passed:
        if name == b"host":
            hosts += (value,)
        elif name == b"connection":
            connection += tokens(value)
        elif name == b"content-length":
            lengths += (value,)
        elif name == b"transfer-encoding":
            codings += (value.lower(),)
        elif name == b"upgrade":
            upgrades += tokens(value)
        elif name == b"expect":
            if value.lower() != b"100-continue":
                raise RequestError(417, "the only expectation known here is 100-continue")
            expects = minor == 1
    if method in NOT_SERVED:
        raise RequestError(405, f"{method.decode()} is not served here")
    path, query, authority = split_target(method, target, escaped_slashes)
    if len(hosts) == 1 and is_authority(hosts[0]):
        authority = authority or hosts[0]
    elif hosts or minor == 1:
        raise RequestError(400, "the request needs one valid Host header, and one only")
    chunked, length = _framing(codings, lengths, minor) if codings or lengths else (False, 0)
    head = RequestHead(
        method, target, path, query, authority or b"", passed, minor, length, chunked, minor == 1, expects
    )
    if expects:
        head.expects_continue = head.has_body
    if connection and not (minor and connection == KEEP_ALIVE):  # which says nothing new in HTTP/1.1
        hop_by_hop = set(connection) - _CONNECTION_WORDS
        if hop_by_hop:
            head.headers = [header for header in passed if header[0].lower() not in hop_by_hop]
        head.keep_alive = b"close" not in connection and (minor == 1 or b"keep-alive" in connection)
        upgrading = minor == 1 and b"upgrade" in connection and upgrades == (WEBSOCKET,)
        head.websocket = upgrading and method == b"GET" and not head.has_body
    return head


def _framing(codings: tuple[bytes, ...], lengths: tuple[bytes, ...], minor: int) -> tuple[bool, int]:
    """Return whether the body is chunked, and else its length."""
    if codings:
        if minor == 0:
            raise RequestError(400, "HTTP/1.0 has no Transfer-Encoding")
        if lengths:
            raise RequestError(400, "Transfer-Encoding and Content-Length exclude each other")
        if codings != (b"chunked",):
            raise RequestError(501, "the only transfer coding known here is chunked")
        return True, 0
    length = lengths[0] if len(lengths) == 1 else b""
    if not length.isdigit() or len(length) > MAX_LENGTH_DIGITS:
        raise RequestError(400, "the Content-Length header is not valid")
    return False, int(length)
