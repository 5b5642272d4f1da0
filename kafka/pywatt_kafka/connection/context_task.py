"""Holds an async context manager open beyond the task that has entered it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager

import anyio


class ContextTask:
    """Enters a context manager in a task of its own, so that any task may leave it (a task group allows only one)."""

    def __init__(self, context: AbstractAsyncContextManager[object]) -> None:
        self._context = context
        self._leave = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        """Enter the context. Raises the error of its `__aenter__`."""
        entered = asyncio.Event()
        task = self._task = asyncio.ensure_future(self._hold(entered))
        task.add_done_callback(lambda _: entered.set())
        try:
            await entered.wait()
        except asyncio.CancelledError:
            await self.leave()
            raise
        if task.done():
            self._task = None
            task.result()

    async def leave(self) -> None:
        """Leave the context, to the end even if the caller is cancelled. Raises what has ended the context's tasks."""
        self._leave.set()
        task = self._task
        if task is None:
            return
        try:
            with anyio.CancelScope(shield=True):
                await asyncio.wait({task})
        except asyncio.CancelledError:
            with anyio.CancelScope(shield=True):
                await asyncio.wait({task})
            raise
        finally:
            self._task = None
        if not task.cancelled():
            task.result()

    async def _hold(self, entered: asyncio.Event) -> None:
        async with self._context:
            entered.set()
            await self._leave.wait()
