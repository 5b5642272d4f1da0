"""Request targets (RFC 9112 3.2) and the normal form of paths (RFC 3986 6.2.2).

Browsers and curl send characters that RFC 3986 does not allow. They are percent-encoded byte by byte, as the URL
Standard of WHATWG does it, before anything else looks at the target. A path has none of them afterwards: beyond the
Standard's set, `[`, `]`, `|` and the backslash are encoded, so that a path has one spelling. A query keeps those that
the Standard lets browsers send as they are. Control characters, spaces, `#`, and percent signs in a path without two
digits are refused.

Routing and the upstream see the same normal form: unreserved characters decoded, dot segments removed, one slash at
the start. `%2F` stays as it is and separates nothing. Nor does a backslash, which becomes `%5C`: the Standard turns it
into a slash, but no browser sends one, and then a filter in front and a service behind would cut differently.
"""

from __future__ import annotations

import enum
import re
from functools import lru_cache

from pywatt.http.request_error import RequestError

_SEGMENT = rb"A-Za-z0-9_~!$&'()*+,;=:@-"
_QUERY = rb"A-Za-z0-9._~!$&'()*+,;=:@/?%{}|^`\[\]-"
PLAIN_TARGET = rb"((?:/[%b][.%b]*)+/?|/)(\?[%b]*)?" % (_SEGMENT, _SEGMENT, _QUERY)
"""A path whose segments neither are empty nor begin with a dot, without percent signs, and a query: in normal form."""
SENT_TARGET = rb"(/[/.%%%b]*+)(?:\?([%b]*+))?+" % (_SEGMENT, _QUERY)
"""A path and a query in which nothing has to be encoded but bad percent signs; not always in normal form."""
BAD_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_PLAIN = re.compile(PLAIN_TARGET)
_ORIGIN_FORM = re.compile(rb"(/(?:[^\x00-\x20\x7f#%?]|%[0-9A-Fa-f]{2})*)(\?[^\x00-\x20\x7f#]*)?")
_RAW_IN_PATH = re.compile(rb"[^/.%%%b]" % _SEGMENT)
_RAW_IN_QUERY = re.compile(rb"[^%b]" % _QUERY)
_ABSOLUTE_FORM = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#]*)(.*)")
_AUTHORITY = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_ENCODED = re.compile(rb"%[0-9A-Fa-f]{2}")
_ESCAPED_SLASH = re.compile(rb"%(?:2[Ff]|5[Cc])")
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

ASTERISK = b"*"


class EscapedSlashes(enum.Enum):
    """Treatment of `%2F` and `%5C` in a path: a service may decode them after a route was chosen by the path.

    Envoy: `path_with_escaped_slashes_action`.
    """

    REJECT = "reject"
    DECODE = "decode"
    """A `/` in place of each, before dot segments are removed."""
    LEAVE = "pass"


@lru_cache(maxsize=256)
def is_authority(text: bytes) -> bool:
    """Tell whether the text names a host, with or without a port."""
    return _AUTHORITY.fullmatch(text) is not None


def split_target(
    method: bytes, target: bytes, escaped_slashes: EscapedSlashes = EscapedSlashes.LEAVE
) -> tuple[bytes, bytes, bytes | None]:
    """Return normal path, query (with its `?`) and, of an absolute target, the authority. Raises RequestError."""
    plain = _PLAIN.fullmatch(target)
    if plain is not None:
        return plain[1], plain[2] or b"", None
    authority = None
    if target == ASTERISK:
        if method != b"OPTIONS":
            raise RequestError(400, "the target * belongs to OPTIONS only")
        return ASTERISK, b"", None
    if not target.startswith(b"/"):
        absolute = _ABSOLUTE_FORM.fullmatch(target)
        if absolute is None or not is_authority(absolute[1]):
            raise RequestError(400, "the request target is not valid")
        authority, target = absolute[1], absolute[2]
        if not target.startswith(b"/"):
            target = b"/" + target
    path, query = encode_target(target)
    if escaped_slashes is not EscapedSlashes.LEAVE:
        path = _without_escaped_slashes(path, escaped_slashes)
    return normal_path(path), query, authority


def encode_target(target: bytes) -> tuple[bytes, bytes]:
    """Return path and query (with its `?`) of a target that starts with a slash, percent-encoded. Raises RequestError.

    The path is not in normal form yet.
    """
    match = _ORIGIN_FORM.fullmatch(target)
    if match is None:
        raise RequestError(400, "the request target is not valid")
    return _RAW_IN_PATH.sub(_encode, match[1]), _RAW_IN_QUERY.sub(_encode, match[2] or b"")


def normal_path(path: bytes) -> bytes:
    """Return the normal form of an encoded path."""
    path = _ENCODED.sub(_decode_unreserved, path)
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            del kept[-1:]
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept).lstrip(b"/")


def _without_escaped_slashes(path: bytes, treatment: EscapedSlashes) -> bytes:
    """Return an encoded path without `%2F` and `%5C`. Raises RequestError when they are rejected."""
    decoded = _ESCAPED_SLASH.sub(b"/", path)
    if decoded != path and treatment is EscapedSlashes.REJECT:
        raise RequestError(400, "the path has an encoded slash or backslash (%2F, %5C), which is not served here")
    return decoded


def _encode(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % ord(match[0])


def _decode_unreserved(match: re.Match[bytes]) -> bytes:
    code = int(match[0][1:], 16)
    return bytes((code,)) if code in _UNRESERVED else match[0].upper()
