"""Replies become responses only if they are valid HTTP."""

from __future__ import annotations

import pytest

from pywatt_kafka import Message
from pywatt_services.kafka_hooks.http.responses import HttpResponse, reply_response


def reply(value: bytes | None = b"body", **headers: bytes) -> Message:
    named = tuple((name.replace("_", "-"), text) for name, text in headers.items())
    return Message("responses", 0, 0, None, value, named, 0)


@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (reply(), HttpResponse(200, ((b"content-type", b"application/octet-stream"),), b"body")),
        (
            reply(b"{}", x_status_code=b"201", content_type=b"application/json"),
            HttpResponse(201, ((b"content-type", b"application/json"),), b"{}"),
        ),
        (reply(None), HttpResponse(200, ((b"content-type", b"application/octet-stream"),), b"")),
        (reply(x_status_code=b"204"), HttpResponse(204, ((b"content-type", b"application/octet-stream"),), b"")),
        (
            reply(b"\x1f", content_encoding=b"gzip", content_length=b"9", etag=b"x", transfer_encoding=b"chunked"),
            HttpResponse(
                200, ((b"content-type", b"application/octet-stream"), (b"content-encoding", b"gzip")), b"\x1f"
            ),
        ),
        (
            reply(None, content_encoding=b"gzip"),
            HttpResponse(200, ((b"content-type", b"application/octet-stream"),), b""),
        ),
        (
            reply(content_encoding=b"gz\r\nip"),
            HttpResponse(200, ((b"content-type", b"application/octet-stream"),), b"body"),
        ),
        (reply(content_type=b"a\r\nb"), HttpResponse(200, ((b"content-type", b"application/octet-stream"),), b"body")),
    ],
)
def test_reply_becomes_an_answer(message: Message, answer: HttpResponse) -> None:
    assert reply_response(message) == answer


@pytest.mark.parametrize("status", [b"", b"99", b"101", b"600", b"+20", b"2e2", b"ok", "٢٠٠".encode()])
def test_reply_with_an_impossible_status_is_a_bad_gateway(status: bytes) -> None:
    assert reply_response(reply(x_status_code=status)).status == 502
