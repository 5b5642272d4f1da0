"""Makes the responses of kafka-hooks' own HTTP side, with the original's statuses and bodies."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pywatt.http.server.errors import route_not_found
from pywatt.http.server.writer import JSON
from pywatt_kafka.records import Message, RecordPosition
from pywatt_services.kafka_hooks.wire.headers import (
    CONTENT_ENCODING,
    CONTENT_TYPE,
    STATUS_CODE,
    RawHeaders,
    first_header,
    is_header_value,
)

OK = 200
MULTI_STATUS = 207  # for a batch that was written in part
RETRY_AFTER = 1  # seconds, told to clients while Kafka is away
WITHOUT_BODY = frozenset({204, 205, 304})
REPLY_STATUSES = range(200, 600)
"""Statuses that a reply may set; 1xx is no final response."""
DEFAULT_TYPE = b"application/octet-stream"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A whole response."""

    status: int
    headers: RawHeaders = ()
    """Headers without content-length."""
    body: bytes = b""


ACCEPTED = HttpResponse(202)


def no_topic(topic: str) -> HttpResponse:
    """Respond to a publication to a topic that this service does not offer."""
    return _error(404, "Not Found", f"Topic {topic} not found.", code="HTTP_ERROR_NOT_FOUND")


def no_route(method: str, target: str) -> HttpResponse:
    """Respond to a request without a route."""
    return HttpResponse(404, (JSON,), route_not_found(method, target))


def too_large() -> HttpResponse:
    """Respond to a body over the limit, or larger than the broker takes."""
    return _json(
        413,
        {
            "statusCode": 413,
            "code": "FST_ERR_CTP_BODY_TOO_LARGE",
            "error": "Payload Too Large",
            "message": "Request body is too large",
        },
    )


def bad_request(message: str) -> HttpResponse:
    """Respond to a request that cannot become a record."""
    return _error(400, "Bad Request", message, code="HTTP_ERROR_BAD_REQUEST")


def unknown_coding(message: str) -> HttpResponse:
    """Respond to a body with an unsupported content coding."""
    response = _error(415, "Unsupported Media Type", message, code="HTTP_ERROR_UNSUPPORTED_MEDIA_TYPE")
    return HttpResponse(response.status, (*response.headers, (b"accept-encoding", b"gzip, deflate")), response.body)


def invalid(errors: Sequence[Mapping[str, Any]]) -> HttpResponse:
    """Respond to a body that does not satisfy its topic's JSON Schema."""
    return _json(
        400,
        {
            "code": "HTTP_ERROR_BAD_REQUEST",
            "statusCode": 400,
            "error": "Bad Request",
            "message": "The body does not satisfy the topic's schema.",
            "errors": errors,
        },
    )


def unauthorized(header: str | None) -> HttpResponse:
    """Respond to a client that is not admitted; `header`: where an API key is expected, None where a token would do."""
    response = _error(401, "Unauthorized", "An API key or a token is needed.", code="HTTP_ERROR_UNAUTHORIZED")
    challenge = "Bearer" if header is None else f'ApiKey header="{header}"'
    return HttpResponse(response.status, (*response.headers, (b"www-authenticate", challenge.encode())), response.body)


def no_keys() -> HttpResponse:
    """Respond to a token that cannot be checked now."""
    return unavailable("The keys that tokens are checked with cannot be fetched.")


def other_request() -> HttpResponse:
    """Respond to an idempotency key that came with another request before."""
    message = "The idempotency key was used for another request."
    return _error(422, "Unprocessable Entity", message, code="HTTP_ERROR_UNPROCESSABLE_ENTITY")


def replayed(response: HttpResponse) -> HttpResponse:
    """Repeat the first response to a request with an idempotency key."""
    return HttpResponse(response.status, (*response.headers, (b"idempotent-replayed", b"true")), response.body)


def acknowledged(position: RecordPosition) -> HttpResponse:
    """Respond with the position of a record."""
    return _json(OK, position._asdict())


def document(content: Mapping[str, Any], status: int = OK) -> HttpResponse:
    """Respond with JSON."""
    return _json(status, content)


def batch_acknowledged(topic: str, outcomes: Sequence[RecordPosition | tuple[HttpResponse, str]]) -> HttpResponse:
    """Respond with the positions of a batch's records, and the reasons for those that were not written."""
    records: list[Mapping[str, Any]] = []
    failures: list[HttpResponse] = []
    for outcome in outcomes:
        if isinstance(outcome, RecordPosition):
            records.append({"partition": outcome.partition, "offset": outcome.offset})
        else:
            failures.append(outcome[0])
            records.append({"statusCode": outcome[0].status, "message": outcome[1]})
    status = OK
    headers: RawHeaders = (JSON,)
    if failures:
        one_reason = len(failures) == len(records) and len({failure.status for failure in failures}) == 1
        status = failures[0].status if one_reason else MULTI_STATUS
        headers = failures[0].headers if one_reason else headers
    return HttpResponse(status, headers, _body({"topic": topic, "records": records, "failed": len(failures)}))


def bad_reply(message: str) -> HttpResponse:
    """Respond to a request whose reply is no HTTP response."""
    return _error(502, "Bad Gateway", message, code="HTTP_ERROR_BAD_GATEWAY")


def refused(message: str) -> HttpResponse:
    """Respond to a record that the broker refuses for good."""
    return _error(500, "Internal Server Error", message, code="HTTP_ERROR_INTERNAL_SERVER_ERROR")


def failed() -> HttpResponse:
    """Respond to an internal error, which is logged."""
    return _error(500, "Internal Server Error", "Internal Server Error", code="HTTP_ERROR_INTERNAL_SERVER_ERROR")


def unavailable(message: str) -> HttpResponse:
    """Respond to a record that cannot be written now."""
    return _later(_error(503, "Service Unavailable", message, code="HTTP_ERROR_SERVICE_UNAVAILABLE"))


def too_many(message: str) -> HttpResponse:
    """Respond to a request for which there is no room now."""
    return _later(_error(429, "Too Many Requests", message, code="HTTP_ERROR_TOO_MANY_REQUESTS"))


def timed_out() -> HttpResponse:
    """Respond to a request without a reply in time."""
    return _error(504, "Gateway Timeout", "Request timeout", code="HTTP_ERROR_GATEWAY_TIMEOUT")


def reply_response(reply: Message) -> HttpResponse:
    """Turn a reply into the response that its client gets."""
    asked = first_header(reply.headers, STATUS_CODE)
    status = OK if asked is None else _status(asked)
    if status is None:
        return bad_reply(f"The reply's {STATUS_CODE} is not a status from 200 to 599.")
    content_type = first_header(reply.headers, CONTENT_TYPE)
    if not content_type or not is_header_value(content_type):
        content_type = DEFAULT_TYPE
    body = b"" if status in WITHOUT_BODY else reply.value or b""
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", content_type),)
    coding = first_header(reply.headers, CONTENT_ENCODING)
    if body and coding and is_header_value(coding):
        headers += ((b"content-encoding", coding),)
    return HttpResponse(status, headers, body)


def _status(asked: bytes) -> int | None:
    text = asked.strip()
    if len(text) != 3 or not text.isdigit() or int(text) not in REPLY_STATUSES:
        return None
    return int(text)


def _error(status: int, error: str, message: str, *, code: str) -> HttpResponse:
    return _json(status, {"code": code, "statusCode": status, "error": error, "message": message})


def _later(response: HttpResponse) -> HttpResponse:
    return HttpResponse(response.status, (*response.headers, (b"retry-after", b"%d" % RETRY_AFTER)), response.body)


def _json(status: int, document: Mapping[str, Any]) -> HttpResponse:
    return HttpResponse(status, (JSON,), _body(document))


def _body(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
