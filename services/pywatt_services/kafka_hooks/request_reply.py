"""Implements request/reply over two topics: a request waits until a record with its correlation id comes back.

Replies are read without a consumer group, so that every instance sees them all and picks its own.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Protocol
from urllib.parse import parse_qsl
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup

from pywatt.telemetry.messaging import TRACE_HEADERS
from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import Message, RecordPosition
from pywatt_kafka.request_response.messages import METHOD
from pywatt_kafka.timeout_queue import TimeoutQueue
from pywatt_services.diagnostics.log_throttle import LogThrottle
from pywatt_services.kafka_hooks.config.options import ONLY_POST, RequestReplyOptions
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse, bad_request, reply_response, timed_out, unavailable
from pywatt_services.kafka_hooks.publishing.publisher import Publisher, error_response, value_of
from pywatt_services.kafka_hooks.wire.content_codings import codings_of
from pywatt_services.kafka_hooks.wire.headers import (
    CONTENT_ENCODING,
    CONTENT_TYPE,
    CORRELATION_ID,
    PATH_PARAMS,
    QUERY_STRING,
    RawHeaders,
    first_header,
    key_of,
)

logger = logging.getLogger("pywatt.kafka_hooks")

_TRACE = frozenset(name.encode() for name in TRACE_HEADERS)
READY_LIMIT = 3.0  # seconds that a request waits, right after the start, until replies are being read


class ReplyReader(Protocol):
    """Reads the response topics."""

    @property
    def status(self) -> ConnectionStatus: ...

    @property
    def ready(self) -> bool: ...

    async def wait_ready(self) -> None: ...


class _PendingRequest:
    """One request that waits for its reply."""

    __slots__ = ("correlation_id", "exchange", "open")

    def __init__(self, correlation_id: bytes, exchange: HooksExchange) -> None:
        self.correlation_id = correlation_id
        self.exchange = exchange
        self.open = True


class RequestReply:
    """The requests that wait for their replies."""

    def __init__(
        self,
        publisher: Publisher,
        reader: ReplyReader,
        tasks: TaskGroup,
        *,
        new_id: Callable[[], str] = lambda: str(uuid4()),
        throttle: LogThrottle | None = None,
    ) -> None:
        """`tasks`: for requests that come before replies can be read."""
        self._publisher = publisher
        self._reader = reader
        self._tasks = tasks
        self._new_id = new_id
        self._throttle = throttle or LogThrottle()
        self._pending: dict[bytes, _PendingRequest] = {}
        self._timeouts: dict[float, TimeoutQueue[_PendingRequest]] = {}

    @property
    def waiting(self) -> int:
        """Number of requests that wait."""
        return len(self._pending)

    def arrived(self, message: Message) -> None:
        """Respond to the request that waits for a record of a response topic, if it is one of this worker's."""
        correlation_id = first_header(message.headers, CORRELATION_ID)
        if not correlation_id:
            if self._throttle.due():
                place = f"{message.topic}[{message.partition}]@{message.offset}"
                logger.warning("Response message missing correlation ID: %s (%d so far)", place, self._throttle.count)
            return
        pending = self._pending.get(correlation_id)
        if pending is None:
            # Nothing is wrong: it is another instance's, or its client has given up.
            logger.debug("No pending request found for correlation ID %r", correlation_id)
        else:
            self._end(pending, reply_response(message))

    def request(
        self, route: RequestReplyOptions, params: Mapping[str, str], request: Request, exchange: HooksExchange
    ) -> None:
        """Write a client's request; respond with its reply. A client that disconnects is forgotten."""
        try:
            key = key_of(request.headers)
        except ValueError as error:
            exchange.respond(bad_request(str(error)))
            return
        # A request is sent only when its reply will be seen.
        status = self._reader.status
        if status.state is ConnectionState.AWAY:
            exchange.respond(unavailable(f"Kafka is away: {status.reason}"))
        elif self._reader.ready:
            self._send(route, params, request, key, exchange)
        else:
            self._tasks.start_soon(self._send_when_ready, route, params, request, key, exchange)

    async def _send_when_ready(
        self,
        route: RequestReplyOptions,
        params: Mapping[str, str],
        request: Request,
        key: bytes | None,
        exchange: HooksExchange,
    ) -> None:
        with anyio.move_on_after(READY_LIMIT):
            await self._reader.wait_ready()
        if not self._reader.ready:
            exchange.respond(
                unavailable(f"Kafka is away: {self._reader.status.reason or 'replies cannot be read yet'}")
            )
        elif exchange.open:
            self._send(route, params, request, key, exchange)

    def _send(
        self,
        route: RequestReplyOptions,
        params: Mapping[str, str],
        request: Request,
        key: bytes | None,
        exchange: HooksExchange,
    ) -> None:
        correlation_id = self._new_id()
        pending = _PendingRequest(correlation_id.encode(), exchange)
        self._pending[pending.correlation_id] = pending
        self._timeout_queue(route.timeout).add(pending)
        exchange.on_gone(partial(self._forget, pending))
        headers = request_headers(correlation_id, params=params, query=request.query, headers=request.headers)
        if route.methods != ONLY_POST:
            headers.append((METHOD, request.method.encode()))
        value = value_of(request.body, key)
        self._publisher.write(route.request_topic, value, key, headers, partial(self._written, pending))

    def _written(self, pending: _PendingRequest, outcome: RecordPosition | KafkaError) -> None:
        if isinstance(outcome, KafkaError):
            self._end(pending, error_response(outcome))

    def _end(self, pending: _PendingRequest, response: HttpResponse) -> None:
        if pending.open:
            self._forget(pending)
            pending.exchange.respond(response)

    def _forget(self, pending: _PendingRequest) -> None:
        pending.open = False
        self._pending.pop(pending.correlation_id, None)

    def _timeout_queue(self, timeout: float) -> TimeoutQueue[_PendingRequest]:
        timeouts = self._timeouts.get(timeout)
        if timeouts is None:
            timeouts = self._timeouts[timeout] = TimeoutQueue(
                timeout, ended=lambda pending: not pending.open, expired=lambda pending: self._end(pending, timed_out())
            )
        return timeouts

    def close(self) -> None:
        """Stop all timeouts."""
        for timeouts in self._timeouts.values():
            timeouts.close()


def request_headers(
    correlation_id: str, *, params: Mapping[str, str], query: bytes, headers: RawHeaders
) -> list[tuple[str, bytes]]:
    """Return the headers of a request's record: of its content, trace, correlation id, parameters and query."""
    result = [(CONTENT_TYPE, value) for name, value in headers if name == b"content-type"][:1]
    if codings := codings_of(headers):
        result.append((CONTENT_ENCODING, b", ".join(codings)))
    result.append((CORRELATION_ID, correlation_id.encode()))
    result += [(name.decode(), value) for name, value in headers if name in _TRACE]
    if params:
        result.append((PATH_PARAMS, _json(params)))
    if fields := query_fields(query):
        result.append((QUERY_STRING, _json(fields)))
    return result


def query_fields(query: bytes) -> dict[str, str | list[str]]:
    """Return a query string's fields; a name that comes more than once has a list."""
    fields: dict[str, str | list[str]] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True, errors="replace"):
        before = fields.get(name)
        if before is None:
            fields[name] = value
        elif isinstance(before, list):
            before.append(value)
        else:
            fields[name] = [before, value]
    return fields


def _json(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
