"""Waits for the first of several events or functions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio


async def wait_any(*waits: Callable[[], Awaitable[object]]) -> None:
    """Return as soon as one of the waits returns, and cancel the others."""
    async with anyio.create_task_group() as tasks:

        async def wait_and_cancel(wait: Callable[[], Awaitable[object]]) -> None:
            await wait()
            tasks.cancel_scope.cancel()

        for wait in waits:
            tasks.start_soon(wait_and_cancel, wait)
