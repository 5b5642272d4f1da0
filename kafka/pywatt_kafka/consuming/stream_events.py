"""The handlers of a stream's events."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import defaultdict
from collections.abc import AsyncIterable, Callable
from typing import Any, Literal, TypeAlias

from pywatt_kafka.consuming.assignments import Assignments
from pywatt_kafka.records import TopicPartition

logger = logging.getLogger("pywatt_kafka")

EventName: TypeAlias = Literal["data", "error", "assigned", "revoked"]
EventHandler: TypeAlias = Callable[[Any], Any]


class StreamEvents:
    """Calls handlers, plain ones and async ones."""

    def __init__(self, assignments: Assignments) -> None:
        self._handlers: defaultdict[str, list[EventHandler]] = defaultdict(list)
        self._told: set[asyncio.Future[Any]] = set()
        assignments.listeners.append(self._tell)

    def add(self, event: EventName, handler: EventHandler) -> None:
        """Call a handler for each event of that name."""
        if event not in ("data", "error", "assigned", "revoked"):
            raise ValueError(f"there is no event {event!r}; it is 'data', 'error', 'assigned' or 'revoked'")
        self._handlers[event].append(handler)

    async def read(self, messages: AsyncIterable[Any]) -> None:
        """Pass each record to the handlers of `data`, until an error ends it, which goes to those of `error`."""
        try:
            async for message in messages:
                for handler in self._handlers["data"]:
                    result = handler(message)
                    if inspect.isawaitable(result):
                        await result
        except Exception as error:  # of a handler too
            if not self._handlers["error"]:
                logger.exception("reading has ended, and nothing handles the stream's `error`")
            for handler in self._handlers["error"]:
                result = handler(error)
                if inspect.isawaitable(result):
                    await result

    def _tell(self, event: str, places: frozenset[TopicPartition]) -> None:
        for handler in self._handlers[event]:
            try:
                result = handler(places)
            except Exception:
                logger.exception("the handler of `%s` failed", event)
            else:
                if inspect.isawaitable(result):
                    task = asyncio.ensure_future(result)
                    self._told.add(task)  # or it could be collected while it runs
                    task.add_done_callback(self._told.discard)
