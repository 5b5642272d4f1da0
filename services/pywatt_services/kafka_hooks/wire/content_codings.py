"""Decodes content codings (RFC 9110 section 8.4) of bodies that are parsed; bodies that only pass through keep them."""

from __future__ import annotations

import zlib

from pywatt.http.headers import Headers, tokens

CONTENT_ENCODING = b"content-encoding"
IDENTITY = b"identity"
GZIP = frozenset({b"gzip", b"x-gzip"})
DEFLATE = b"deflate"
MAX_CODINGS = 3
_GZIP_FORM, _ZLIB_FORM, _RAW_FORM = zlib.MAX_WBITS | 16, zlib.MAX_WBITS, -zlib.MAX_WBITS


class CodingError(ValueError):
    """A body that does not match its content-encoding."""


class UnknownCoding(CodingError):
    """An unsupported coding."""


class TooLargeDecoded(CodingError):
    """A body that is too large without its codings."""


def codings_of(headers: Headers) -> tuple[bytes, ...]:
    """Return the codings of a body, in the order in which they were applied; names of `headers` are in lower case."""
    found = tuple(coding for name, value in headers if name == CONTENT_ENCODING for coding in tokens(value))
    return tuple(coding for coding in found if coding != IDENTITY) if found else found


def decoded(body: bytes, codings: tuple[bytes, ...], limit: int) -> bytes:
    """Return a body without its codings, of at most `limit` bytes. Raises CodingError."""
    if len(codings) > MAX_CODINGS:
        raise UnknownCoding(f"{len(codings)} content codings, {MAX_CODINGS} are taken off at most")
    for coding in reversed(codings):
        try:
            body = _decoded(body, coding, limit)
        except zlib.error as error:
            raise CodingError(f"the body is not {coding.decode('latin-1')}: {error}") from error
    return body


def _decoded(body: bytes, coding: bytes, limit: int) -> bytes:
    if coding in GZIP:
        return _inflated(body, _GZIP_FORM, limit)
    if coding != DEFLATE:
        raise UnknownCoding(f"the content coding {coding.decode('latin-1')} is none of gzip and deflate")
    try:
        return _inflated(body, _ZLIB_FORM, limit)
    except zlib.error:
        return _inflated(body, _RAW_FORM, limit)  # some send it without zlib's frame


def _inflated(body: bytes, form: int, limit: int) -> bytes:
    made, size, left = [], 0, body
    while True:
        inflater = zlib.decompressobj(form)
        piece = inflater.decompress(left, limit - size + 1)
        size += len(piece)
        if size > limit:
            raise TooLargeDecoded(f"the body has more than {limit} bytes without its content coding")
        if not inflater.eof:
            raise CodingError("the body ends in the middle of its content coding")
        made.append(piece)
        left = inflater.unused_data
        if not left or form != _GZIP_FORM:  # gzip's members follow one another
            return b"".join(made)
