"""The answers of kafka-hooks' own HTTP side, with the original's statuses and bodies."""

from __future__ import annotations

import json
from dataclasses import dataclass

from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.headers import CONTENT_TYPE, STATUS_CODE, RawHeaders, first_header, legal_value

OK = 200
BODY_LIMIT = 1024 * 1024  # bytes of a request's body, fastify's default
RETRY_AFTER = 1  # seconds, told to clients while Kafka is away
WITHOUT_BODY = frozenset({204, 205, 304})
REPLY_STATUSES = range(200, 600)
"""What a reply may ask for; 1xx is no final answer."""
DEFAULT_TYPE = b"application/octet-stream"

_JSON = (b"content-type", b"application/json; charset=utf-8")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer, complete."""

    status: int
    headers: RawHeaders = ()
    """Without content-length."""
    body: bytes = b""


ACCEPTED = HttpAnswer(202)


def no_topic(topic: str) -> HttpAnswer:
    """Answer a publication to a topic that this service does not offer."""
    return _error(404, "Not Found", f"Topic {topic} not found.", code="HTTP_ERROR_NOT_FOUND")


def no_route(method: str, target: str) -> HttpAnswer:
    """Answer a request for anything else."""
    return _json(404, {"message": f"Route {method}:{target} not found", "error": "Not Found", "statusCode": 404})


def too_large() -> HttpAnswer:
    """Answer a request whose body is over the limit, or larger than the broker takes."""
    return _json(
        413,
        {
            "statusCode": 413,
            "code": "FST_ERR_CTP_BODY_TOO_LARGE",
            "error": "Payload Too Large",
            "message": "Request body is too large",
        },
    )


def bad_request(message: str) -> HttpAnswer:
    """Answer a request that cannot become a record."""
    return _error(400, "Bad Request", message, code="HTTP_ERROR_BAD_REQUEST")


def bad_reply(message: str) -> HttpAnswer:
    """Answer a request whose reply makes no HTTP answer."""
    return _error(502, "Bad Gateway", message, code="HTTP_ERROR_BAD_GATEWAY")


def refused(message: str) -> HttpAnswer:
    """Answer a request whose record the broker refuses for good."""
    return _error(500, "Internal Server Error", message, code="HTTP_ERROR_INTERNAL_SERVER_ERROR")


def unavailable(message: str) -> HttpAnswer:
    """Answer a request whose record cannot be written now."""
    answer = _error(503, "Service Unavailable", message, code="HTTP_ERROR_SERVICE_UNAVAILABLE")
    return HttpAnswer(answer.status, (*answer.headers, (b"retry-after", b"%d" % RETRY_AFTER)), answer.body)


def timed_out() -> HttpAnswer:
    """Answer a request whose reply did not come in time."""
    return _error(504, "Gateway Timeout", "Request timeout", code="HTTP_ERROR_GATEWAY_TIMEOUT")


def reply_answer(reply: Message) -> HttpAnswer:
    """Turn a reply into the answer that its client gets."""
    asked = first_header(reply.headers, STATUS_CODE)
    status = OK if asked is None else _status(asked)
    if status is None:
        return bad_reply(f"The reply's {STATUS_CODE} is not a status from 200 to 599.")
    content_type = first_header(reply.headers, CONTENT_TYPE)
    if not content_type or not legal_value(content_type):
        content_type = DEFAULT_TYPE
    body = b"" if status in WITHOUT_BODY else reply.value or b""
    return HttpAnswer(status, ((b"content-type", content_type),), body)


def _status(asked: bytes) -> int | None:
    text = asked.strip()
    if len(text) != 3 or not text.isdigit() or int(text) not in REPLY_STATUSES:
        return None
    return int(text)


def _error(status: int, error: str, message: str, *, code: str) -> HttpAnswer:
    return _json(status, {"code": code, "statusCode": status, "error": error, "message": message})


def _json(status: int, document: dict[str, str | int]) -> HttpAnswer:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    return HttpAnswer(status, (_JSON,), body)
