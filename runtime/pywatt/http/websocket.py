"""The opening handshake of a WebSocket (RFC 6455 4), as a proxy checks it."""

from __future__ import annotations

import base64
import binascii
import hashlib

from pywatt.http.headers import Headers
from pywatt.http.request_error import RequestError

VERSION = b"13"
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_KEY_BYTES = 16


def handshake_key(headers: Headers) -> bytes:
    """Return the key of a client's handshake. Raises RequestError."""
    keys = [value for name, value in headers if name.lower() == b"sec-websocket-key"]
    versions = [value for name, value in headers if name.lower() == b"sec-websocket-version"]
    if versions != [VERSION]:
        raise RequestError(426, "the only version of WebSocket known here is 13")
    if len(keys) != 1 or not _is_key(keys[0]):
        raise RequestError(400, "the Sec-WebSocket-Key header is not valid")
    return keys[0]


def accepts(key: bytes, headers: Headers) -> bool:
    """Tell whether a server's 101 answers the handshake with that key."""
    # SHA-1 is what RFC 6455 asks for; it proves that the server understood, and protects nothing.
    expected = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    return [value for name, value in headers if name.lower() == b"sec-websocket-accept"] == [expected]


def _is_key(text: bytes) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) == _KEY_BYTES
    except binascii.Error:
        return False
