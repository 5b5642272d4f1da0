"""Encodes idempotency messages between workers of one service: forwarded requests, and handovers; pure.

JSON with bytes as Latin-1.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pywatt_kafka.json_bytes import latin1_bytes, latin1_text
from pywatt_services.kafka_hooks.http.exchange import ForwardedRequest, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.wire.headers import RawHeaders

PART = 256 * 1024  # bytes of one message, about; one response alone may be larger
MARGIN = 1024 * 1024
"""Bytes that a message may have above the limit of a request's body, which it may contain."""


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """The first response to requests with one key."""

    topic: str
    key: bytes
    fingerprint: bytes
    age: float
    """Seconds since the first request came."""
    response: HttpResponse


def write_request(request: Request) -> bytes:
    """Encode a request to forward, with one hop more."""
    head = {
        "method": request.method, "path": request.path, "query": latin1_text(request.query), "target": request.target,
        "headers": _pairs(request.headers), "public": request.public, "hops": request.hops + 1,
    }  # fmt: skip
    return json.dumps(head).encode() + b"\n" + request.body


def read_request(message: bytes) -> ForwardedRequest:
    """Decode a request of `write_request`. Raises ValueError, KeyError, TypeError."""
    head, _, body = message.partition(b"\n")
    given = json.loads(head)
    return ForwardedRequest(
        given["method"], given["path"], latin1_bytes(given["query"]), _headers(given["headers"]), body, given["target"],
        given["public"], int(given["hops"]),
    )  # fmt: skip


def pack(stored: Iterable[StoredResponse]) -> Iterator[tuple[list[StoredResponse], bool]]:
    """Yield responses in parts that fit into one message each, with True for the last part; at least one."""
    part: list[StoredResponse] = []
    size = 0
    for each in stored:
        weight = len(each.response.body) + sum(len(n) + len(v) for n, v in each.response.headers) + len(each.key) + 300
        if part and size + weight > PART:
            yield part, False
            part, size = [], 0
        part.append(each)
        size += weight
    yield part, True


def write_handover(stored: Sequence[StoredResponse], *, last: bool) -> bytes:
    """Encode a handover; `last`: True if no further part follows."""
    known = [
        {
            "topic": each.topic, "key": latin1_text(each.key), "fingerprint": latin1_text(each.fingerprint),
            "age": each.age, "status": each.response.status, "headers": _pairs(each.response.headers),
            "body": latin1_text(each.response.body),
        }
        for each in stored
    ]  # fmt: skip
    return json.dumps({"memories": known, "last": last}).encode()


def read_handover(message: bytes) -> tuple[list[StoredResponse], bool]:
    """Decode a handover of `write_handover`. Raises ValueError, KeyError, TypeError."""
    given = json.loads(message)
    known = [
        StoredResponse(
            str(each["topic"]), latin1_bytes(each["key"]), latin1_bytes(each["fingerprint"]), float(each["age"]),
            HttpResponse(int(each["status"]), _headers(each["headers"]), latin1_bytes(each["body"])),
        )
        for each in given["memories"]
    ]  # fmt: skip
    return known, bool(given["last"])


def _pairs(headers: RawHeaders) -> list[list[str]]:
    return [[latin1_text(name), latin1_text(value)] for name, value in headers]


def _headers(pairs: Any) -> list[tuple[bytes, bytes]]:
    return [(latin1_bytes(name), latin1_bytes(value)) for name, value in pairs]
