"""Patches pywatt_kafka in user code: what a handler of records calls belongs to the trace of the record.

Its handlers of requests (`Responder`), and those of `ConsumerStream.process` and of `data`.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from pywatt.mesh.import_hook import on_import
from pywatt.telemetry.messaging import fields_of
from pywatt.telemetry.trace_context import serving

Handler = Callable[[Any], Any]


def install() -> None:
    """Patch each class now or as soon as it is imported."""
    on_import("pywatt_kafka.request_response.responder", _adapt_responder)
    on_import("pywatt_kafka.consuming.stream", _adapt_stream)


def _adapt_responder(module: Any) -> None:
    responder = module.Responder
    handle = responder._handle

    async def handle_in_trace(self: Any, call: Any) -> Any:
        with serving(fields_of(call.message.headers)):
            return await handle(self, call)

    responder._handle = handle_in_trace


def _adapt_stream(module: Any) -> None:
    stream = module.ConsumerStream
    process, on = stream.process, stream.on

    async def process_in_trace(self: Any, handler: Handler, **options: Any) -> None:
        await process(self, _in_trace(handler), **options)

    def on_in_trace(self: Any, event: Any, handler: Any = None) -> Any:
        if handler is None or event != "data":
            return on(self, event, handler)
        on(self, event, _in_trace(handler))
        return handler

    stream.process, stream.on = process_in_trace, on_in_trace


def _in_trace(handler: Handler) -> Handler:
    async def handle(message: Any) -> None:
        with serving(fields_of(message.headers)):
            result = handler(message)
            if inspect.isawaitable(result):
                await result

    return handle
