"""Translates headers between HTTP and Kafka, both ways. Wire names are the original's.

Never translated: hop-by-hop headers (RFC 9110 section 7.6.1) and credentials, and on the way to a webhook headers of
one message only (host, content-length) or those that ask for a special response (ranges, conditions, codings):
producers of records must not choose them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import lru_cache

from pywatt.http.headers import HOP_BY_HOP, is_forwarded, is_token
from pywatt_kafka.dlq.redrive_headers import TARGET as REDRIVE_TARGET

KEY = "x-plt-kafka-hooks-key"
KEY_ENCODING = "x-plt-kafka-hooks-key-encoding"
"""Ours: `base64` for a key that a header cannot carry as it is."""
ATTEMPT = "x-plt-kafka-hooks-attempt"
TOPIC = "x-plt-kafka-hooks-topic"
PARTITION = "x-plt-kafka-hooks-partition"
OFFSET = "x-plt-kafka-hooks-offset"
TIMESTAMP = "x-plt-kafka-hooks-timestamp"
TOMBSTONE = "x-plt-kafka-hooks-tombstone"
"""Ours: `true` when the record has no value, which a body cannot tell from an empty one."""
WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"
"""Names of Standard Webhooks 1.0."""
CORRELATION_ID = "x-plt-kafka-hooks-correlation-id"
PATH_PARAMS = "x-plt-kafka-hooks-path-params"
QUERY_STRING = "x-plt-kafka-hooks-query-string"
STATUS_CODE = "x-status-code"
CONTENT_TYPE = "content-type"
CONTENT_ENCODING = "content-encoding"
RETRY_AFTER = b"retry-after"

BASE64 = "base64"
SHA256 = "sha256"
"""Encoding of a key that is too long for a header: its digest, in hexadecimal."""

RawHeaders = Sequence[tuple[bytes, bytes]]
RecordHeaders = Sequence[tuple[str, bytes | None]]

_ONE_CONNECTION = frozenset({name.decode() for name in HOP_BY_HOP} | {"expect"})
_CREDENTIALS = frozenset({"authorization", "cookie"})
_ABOUT_THE_ANSWER = frozenset(
    {
        "accept-encoding", "if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since",
        "max-forwards", "range", "upgrade-insecure-requests", "want-content-digest", "want-repr-digest",
    }
)  # fmt: skip
LONGEST_VALUE = 8000  # bytes of a value that becomes a header; many servers refuse a line above 8 KiB
_OUR_OWN = frozenset({KEY, KEY_ENCODING, ATTEMPT})
_WEBHOOKS_OWN = frozenset(
    {
        *_OUR_OWN, "host", "content-length", TOPIC, PARTITION, OFFSET, TIMESTAMP, TOMBSTONE,
        WEBHOOK_ID, WEBHOOK_TIMESTAMP, WEBHOOK_SIGNATURE, REDRIVE_TARGET,
    }
)  # fmt: skip
_NOT_INTO_WEBHOOKS = _ONE_CONNECTION | _CREDENTIALS | _WEBHOOKS_OWN | _ABOUT_THE_ANSWER

LONGEST_KEY = LONGEST_VALUE // 4 * 3  # bytes, so that its base64 is a legal value too

_KEY_BYTES, _KEY_ENCODING_BYTES = KEY.encode(), KEY_ENCODING.encode()

_PLAIN_BYTES = bytes(range(ord("!"), ord("~") + 1))
_ILLEGAL_IN_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def is_header_name(name: str) -> bool:
    """Tell whether a text is a valid name of an HTTP header."""
    return name.isascii() and is_token(name.encode())


def is_header_value(value: bytes) -> bool:
    """Tell whether HTTP carries these bytes unchanged as a header's value."""
    return _ILLEGAL_IN_VALUE.search(value) is None and value.strip(b" \t") == value


def is_reserved(name: str) -> bool:
    """Tell whether pywatt alone sets a webhook's header of that name."""
    return name.lower() in _ONE_CONNECTION | _WEBHOOKS_OWN


def id_prefix(topic: str, partition: int) -> str:
    """Return the prefix of the ids of a partition's records; their offsets follow it.

    It has `~` for the full stops of a topic's name: Standard Webhooks separates the signed parts with full stops.
    """
    return f"{topic.replace('.', '~')}-{partition}-"


def key_headers(key: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the headers that carry a record's key: as it is if it is UTF-8 that a header can carry, else in base64.

    A key that is too long is replaced by its digest.
    """
    if key is None:
        return []
    if len(key) > LONGEST_KEY:
        return [(_KEY_BYTES, hashlib.sha256(key).hexdigest().encode()), (_KEY_ENCODING_BYTES, SHA256.encode())]
    try:
        key.decode("utf-8")
        plain = is_header_value(key)
    except UnicodeDecodeError:
        plain = False
    if plain:
        return [(_KEY_BYTES, key)]
    return [(_KEY_BYTES, base64.b64encode(key)), (_KEY_ENCODING_BYTES, BASE64.encode())]


def is_plain(key: bytes) -> bool:
    """Tell, faster than `key_headers`, whether a key goes into a header as it is; may say False for one that does."""
    return not key.translate(None, _PLAIN_BYTES) and len(key) <= LONGEST_KEY


def key_of(headers: RawHeaders) -> bytes | None:
    """Return the record key of a request. Raises ValueError for invalid base64."""
    key = encoding = None
    for name, value in headers:
        if name == _KEY_BYTES:
            key = value
        elif name == _KEY_ENCODING_BYTES:
            encoding = value
    if key is None or encoding is None:
        return key
    if encoding.decode("latin-1").strip().lower() != BASE64:
        raise ValueError(f"{KEY_ENCODING} can only be {BASE64}")
    try:
        return base64.b64decode(key, validate=True)
    except binascii.Error as error:
        raise ValueError(f"{KEY} is not valid base64") from error


def webhook_headers(taken: AbstractSet[bytes], record: RecordHeaders, key: bytes | None) -> list[tuple[bytes, bytes]]:
    """Return the headers of a record, and its key's, for a webhook's request.

    `taken`: configured names, which replace the record's. Values that HTTP cannot carry, or that are longer than
    servers take, are left out.
    """
    result: list[tuple[bytes, bytes]] = []
    for name, value in record:
        raw = webhook_name(name)
        if raw is None or value is None or raw in taken:
            continue
        trimmed = value.strip(b" \t")
        if len(trimmed) <= LONGEST_VALUE and is_header_value(trimmed):
            result.append((raw, trimmed))
    result.extend(key_headers(key))
    return result


@lru_cache(maxsize=1024)
def webhook_name(name: str) -> bytes | None:
    """Return the name under which a record's header goes to a webhook, None if it may not."""
    lower = name.lower()
    if lower in _NOT_INTO_WEBHOOKS or not is_header_name(lower):
        return None
    encoded = lower.encode("ascii")
    return None if is_forwarded(encoded) else encoded


def first_header(headers: RecordHeaders, name: str) -> bytes | None:
    """Return the value of the first record header of that name (lower case), whatever its own case."""
    for other, value in headers:
        if other == name or other.lower() == name:
            return value
    return None
