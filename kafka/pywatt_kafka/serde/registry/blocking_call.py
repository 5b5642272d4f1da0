"""Calls that may have to ask a registry: at once where its cache knows the answer, else in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

from pywatt_kafka.errors import KafkaError
from pywatt_kafka.serde.registry.client import CacheMiss, SchemaRegistry


class BlockingCall:
    """A serializer or deserializer of confluent_kafka, made on first use; at most one thread at a time runs it.

    While a thread runs it, other calls wait for its end, as the library holds a lock meanwhile, and then find the
    answer in the cache. They also share its failure to reach the registry.
    """

    def __init__(self, registry: SchemaRegistry, make: Callable[[], Callable[[Any, Any], Any]]) -> None:
        self._registry = registry
        self._make = make
        self._function: Callable[[Any, Any], Any] | None = None
        self._running: Future[Any] | None = None

    def __call__(self, data: Any, context: Any) -> Any | Awaitable[Any]:
        """Return the result, or an awaitable of it. Raises exceptions of the library, and those of SchemaRegistry."""
        if self._running is None:
            try:
                return self._call(data, context)
            except CacheMiss:
                pass
        return self._later(data, context)

    def _call(self, data: Any, context: Any) -> Any:
        if self._function is None:
            self._function = self._make()  # may have to ask for referenced schemas
        return self._function(data, context)

    async def _later(self, data: Any, context: Any) -> Any:
        while (running := self._running) is not None:
            try:
                await asyncio.shield(asyncio.wrap_future(running))
            except KafkaError:
                raise
            except Exception:  # noqa: S112, BLE001  the other call's own: its caller gets it, and this one has other data
                continue
        try:
            return self._call(data, context)
        except CacheMiss:
            return await asyncio.shield(asyncio.wrap_future(self._start(data, context)))

    def _start(self, data: Any, context: Any) -> Future[Any]:
        """Make the call in a thread."""
        running: Future[Any] = Future()
        running.set_running_or_notify_cancel()  # a caller that is cancelled cancels none of the others
        self._running = running

        def run() -> None:
            try:
                with self._registry.requests_allowed():
                    result = self._call(data, context)
            except BaseException as error:  # noqa: BLE001  handed to those who wait
                self._running = None
                running.set_exception(error)
            else:
                self._running = None
                running.set_result(result)

        threading.Thread(target=run, name="schema-registry", daemon=True).start()
        return running
