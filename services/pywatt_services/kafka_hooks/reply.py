"""Request/response over two topics: a request waits here until a record with its correlation id comes back.

Replies are read without a consumer group, so that every instance sees them all and picks its own.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol
from urllib.parse import parse_qsl
from uuid import uuid4

from pywatt_kafka.connection import ConnectionState, ConnectionStatus
from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.answers import HttpAnswer, bad_request, reply_answer, timed_out, unavailable
from pywatt_services.kafka_hooks.config import RequestReplyOptions
from pywatt_services.kafka_hooks.headers import (
    CONTENT_TYPE,
    CORRELATION_ID,
    PATH_PARAMS,
    QUERY_STRING,
    RawHeaders,
    first_header,
    key_of,
)
from pywatt_services.kafka_hooks.pace import Pace
from pywatt_services.kafka_hooks.publish import Publisher

logger = logging.getLogger("pywatt.kafka_hooks")

READY_LIMIT = 3.0  # seconds that a request waits, right after the start, until replies are being read


class ReplyReader(Protocol):
    """What reads the response topics."""

    @property
    def status(self) -> ConnectionStatus: ...

    async def wait_ready(self) -> None: ...


class Replies:
    """The requests that wait for their replies."""

    def __init__(
        self,
        publisher: Publisher,
        reader: ReplyReader,
        *,
        new_id: Callable[[], str] = lambda: str(uuid4()),
        pace: Pace | None = None,
    ) -> None:
        self._publisher = publisher
        self._reader = reader
        self._new_id = new_id
        self._pace = pace or Pace()
        self._waiting: dict[bytes, asyncio.Future[Message | None]] = {}

    @property
    def waiting(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    def arrived(self, message: Message) -> None:
        """Hand a record of a response topic to the request that waits for it, if that is one of ours."""
        correlation_id = first_header(message.headers, CORRELATION_ID)
        if not correlation_id:
            if self._pace.due():
                place = f"{message.topic}[{message.partition}]@{message.offset}"
                logger.warning("Response message missing correlation ID: %s (%d so far)", place, self._pace.count)
            return
        waiting = self._waiting.get(correlation_id)
        if waiting is None:
            # Nothing is wrong: it is another instance's, or its client has given up.
            logger.debug("No pending request found for correlation ID %r", correlation_id)
        elif not waiting.done():
            waiting.set_result(message)

    async def request(
        self,
        route: RequestReplyOptions,
        *,
        params: Mapping[str, str],
        query: bytes,
        headers: RawHeaders,
        body: bytes,
        gone: Callable[[], Awaitable[None]],
    ) -> HttpAnswer | None:
        """Write a client's request and wait for its reply; None when the client went away.

        `gone` returns once it has; it is cancelled when the reply comes first.
        """
        try:
            key = key_of(headers)
        except ValueError as error:
            return bad_request(str(error))
        if (problem := await self._not_reading()) is not None:
            return problem
        correlation_id = self._new_id()
        record_headers = request_headers(correlation_id, params=params, query=query, headers=headers)
        waiting: asyncio.Future[Message | None] = asyncio.get_running_loop().create_future()
        self._waiting[correlation_id.encode()] = waiting
        try:
            async with asyncio.timeout(route.timeout):
                problem = await self._publisher.write(route.request_topic, body, key, record_headers)
                if problem is not None:
                    return problem
                reply = await _unless_gone(waiting, gone)
        except TimeoutError:
            return timed_out()
        finally:
            del self._waiting[correlation_id.encode()]
        return None if reply is None else reply_answer(reply)

    async def _not_reading(self) -> HttpAnswer | None:
        """Return why no reply could be read now, else None: a request is sent only when its reply will be seen."""
        status = self._reader.status
        if status.state is ConnectionState.AWAY:
            return unavailable(f"Kafka is away: {status.reason}")
        try:
            async with asyncio.timeout(READY_LIMIT):
                await self._reader.wait_ready()
        except TimeoutError:
            return unavailable(f"Kafka is away: {self._reader.status.reason or 'replies cannot be read yet'}")
        return None


def request_headers(
    correlation_id: str, *, params: Mapping[str, str], query: bytes, headers: RawHeaders
) -> list[tuple[str, bytes]]:
    """Return the headers of a request's record: content-type, correlation id, parameters, query; no others."""
    result = [(CONTENT_TYPE, value) for name, value in headers if name == b"content-type"][:1]
    result.append((CORRELATION_ID, correlation_id.encode()))
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


async def _unless_gone(waiting: asyncio.Future[Message | None], gone: Callable[[], Awaitable[None]]) -> Message | None:
    async def watch() -> None:
        await gone()
        if not waiting.done():
            waiting.set_result(None)

    async with asyncio.TaskGroup() as tasks:
        watcher = tasks.create_task(watch())
        try:
            return await waiting
        finally:
            watcher.cancel()
