"""Observes the asyncio classes of confluent-kafka, which call its others in threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from confluent_kafka.aio import AIOConsumer, AIOProducer
from opentelemetry import context as otel_context

from pywatt_kafka.tracing.patches import Patches
from pywatt_kafka.tracing.received import NO_CLIENT
from pywatt_kafka.tracing.telemetry import Telemetry

Method = Callable[..., Any]


def observe_confluent_aio(patches: Patches, telemetry: Telemetry) -> None:
    """Replace the methods that send, and that call a consumer in a thread."""
    patches.replace(AIOProducer, "produce", lambda original: _produce(original, telemetry))
    if "_call" in AIOConsumer.__dict__:
        patches.replace(AIOConsumer, "_call", _call)


def _produce(original: Method, telemetry: Telemetry) -> Method:
    async def produce(producer: Any, topic: Any, value: Any = None, key: Any = None, *rest: Any, **options: Any) -> Any:
        client, *_ = getattr(producer._producer, "_observed", (NO_CLIENT,))
        operation, _ = telemetry.send(topic, key, value, None, client)  # it takes no headers
        try:
            future = await original(producer, topic, value, key, *rest, **options)
        except BaseException as error:
            operation.settle(error)
            raise

        def settled(done: asyncio.Future[Any]) -> None:
            # `exception()` would count as a look at the error, which asyncio logs when nobody has looked.
            error = asyncio.CancelledError() if done.cancelled() else getattr(done, "_exception", None)
            operation.settle(error if error is not None else done.result())

        future.add_done_callback(settled)
        return future

    return produce


def _call(original: Method) -> Method:
    async def call(consumer: Any, blocking: Method, *arguments: Any, **options: Any) -> Any:
        context = otel_context.get_current()

        def within(*given: Any, **more: Any) -> Any:
            token = otel_context.attach(context)
            try:
                return blocking(*given, **more)
            finally:
                otel_context.detach(token)

        return await original(consumer, within, *arguments, **options)

    return call
