"""Stops consumers from creating topics: asking for the metadata of a missing topic creates it, unless told otherwise.

aiokafka has no option for that. Its task that asks for metadata is started with the client, and inherits the context.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_creating: ContextVar[bool] = ContextVar("creating", default=True)


def install() -> None:
    """Make aiokafka's clients ask for metadata as `without_topic_creation` says."""
    from aiokafka import client

    original = client.MetadataRequest
    if getattr(original, "is_patched", False):
        return

    class Request(original):  # type: ignore[misc, valid-type]
        """A request for metadata."""

        is_patched = True

        def __init__(self, topics: Any = None, allow_auto_topic_creation: bool | None = None) -> None:
            super().__init__(topics, allow_auto_topic_creation if _creating.get() else False)

    client.MetadataRequest = Request


@contextmanager
def without_topic_creation() -> Iterator[None]:
    """Let a client that is started in this block never create a topic."""
    token = _creating.set(False)
    try:
        yield
    finally:
        _creating.reset(token)
