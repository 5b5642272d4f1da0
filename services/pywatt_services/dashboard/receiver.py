"""Receives what services send: OTLP over HTTP, protobuf or JSON, with the token that they have.

POST  /v1/traces
POST  /v1/metrics    become part of the app's metrics
POST  /v1/logs       become records of the app's log
"""

from __future__ import annotations

import time
import zlib
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from quart import Blueprint, Response, request

from pywatt.channel.messages import Answer
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.metrics.received import MOST_NUMBERS, ReceivedMetrics
from pywatt_services.dashboard.otlp.log_records import read_logs
from pywatt_services.dashboard.otlp.metrics import read_metrics
from pywatt_services.dashboard.otlp.spans import spans_of_json, spans_of_protobuf
from pywatt_services.dashboard.traces.store import TraceStore

if TYPE_CHECKING:
    from pywatt.logs.history import RingWriter

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
MOST_BYTES = 32 * 1024 * 1024
"""Of one export, unpacked."""
BATCH = 200
"""Log records that the supervisor gets at once."""
Reply = tuple[dict[str, Any], int]
Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]

logger = pywatt_logger("pywatt.dashboard")


class Unsupported(Exception):
    """The body has a form that is not known."""


def otlp_routes(store: TraceStore, ring: RingWriter | None, metrics: ReceivedMetrics, ask: Ask) -> Blueprint:
    """Return the routes. `ring` keeps the spans on disk; `ask` has the supervisor run a command."""
    routes = Blueprint("otlp", __name__)
    told = False

    @routes.errorhandler(ValueError)
    async def malformed(error: ValueError) -> Reply:
        return {"message": str(error)}, HTTPStatus.BAD_REQUEST

    @routes.errorhandler(Unsupported)
    async def unsupported(error: Unsupported) -> Reply:
        return {"message": str(error)}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    @routes.post("/v1/traces")
    async def traces() -> Response:
        body, is_json = await _body()
        spans = list((spans_of_json if is_json else spans_of_protobuf)(body))
        lines = store.add(span for span in spans if span.trace and span.span)
        if ring is not None and lines:
            with suppress(OSError):  # the disk is full: what is in memory can be seen all the same
                ring.write(b"\n".join(lines) + b"\n")
        return _done(is_json=is_json)

    @routes.post("/v1/metrics")
    async def receive_metrics() -> Response:
        nonlocal told
        body, is_json = await _body()
        refused = 0
        for sender, points in list(read_metrics(body, is_json=is_json)):
            refused += metrics.add(sender, points)
        if refused and not told:
            told = True
            logger.warning(
                "metrics that services send are left out: the app keeps %d numbers of them (fix: %s)",
                MOST_NUMBERS,
                "remove labels with many values, such as ids of users",
            )
        return _done(is_json=is_json)

    @routes.post("/v1/logs")
    async def receive_logs() -> Response:
        body, is_json = await _body()
        records = list(read_logs(body, int(time.time() * 1000), is_json=is_json))
        for begin in range(0, len(records), BATCH):
            await ask("log", {"records": records[begin : begin + BATCH]})
        return _done(is_json=is_json)

    return routes


async def _body() -> tuple[bytes, bool]:
    """Return the body without its coding, and whether it is JSON. Raises Unsupported, ValueError."""
    kind = request.mimetype
    if kind not in (JSON, PROTOBUF):
        raise Unsupported(f"send {PROTOBUF} or {JSON}, not {kind}")
    data = cast(bytes, await request.get_data())
    return unpacked(data, request.headers.get("Content-Encoding", "")), kind == JSON


def _done(*, is_json: bool) -> Response:
    return Response(b"{}" if is_json else b"", content_type=JSON if is_json else PROTOBUF)


def unpacked(data: bytes, coding: str) -> bytes:
    """Return a body without its content coding. Raises ValueError for one that is malformed or too large."""
    if coding in ("", "identity"):
        return data
    if coding not in ("gzip", "deflate"):
        raise ValueError(f"the content coding {coding} is not known")
    try:
        reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        found = reader.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"the body is no {coding}: {error}") from error
    if reader.unconsumed_tail:
        raise ValueError(f"the export has more than {MOST_BYTES} bytes")
    return found
