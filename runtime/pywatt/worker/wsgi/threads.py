"""The threads that a WSGI application runs in."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from pywatt.logs.pywatt_logger import pywatt_logger

MAX_ABANDONED = 200
"""Threads beyond the configured number, in place of those whose application does not return though its client is gone.

Python cannot end a thread. If it was still counted, a few clients that leave such streams would hold up all others.
"""

SWITCH_INTERVAL = 0.0001
"""Seconds after which a thread that waits for the interpreter gets it (Python's own default: 5 ms).

A request changes threads three times. It must be shorter than the callbacks in which the event loop reads from other
clients: after a callback that ends earlier the loop takes the interpreter again before the thread has woken.
"""

logger = pywatt_logger("pywatt.worker")


class Threads:
    """Runs a limited number of requests at once."""

    def __init__(self, size: int) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL)
        self._executor = ThreadPoolExecutor(size + MAX_ABANDONED, thread_name_prefix="wsgi")
        self._free = asyncio.Semaphore(size)
        self._abandoned = 0

    async def acquire(self, left: asyncio.Future[None]) -> bool:
        """Wait for a free thread; False when the client has left before."""
        if not self._free.locked():
            return await self._free.acquire()
        async with asyncio.TaskGroup() as tasks:
            acquiring = tasks.create_task(self._free.acquire())
            acquired = False
            try:
                await asyncio.wait((acquiring, left), return_when=asyncio.FIRST_COMPLETED)
                acquired = acquiring.done() and not left.done()
            finally:
                if not acquiring.done():
                    acquiring.cancel()
                elif not acquired:
                    self._free.release()
        return acquired

    @asynccontextmanager
    async def running(self, work: Callable[[], None]) -> AsyncIterator[asyncio.Future[None]]:
        """Run work in the thread that was acquired. Work that goes on when the context is left is abandoned."""
        job = asyncio.get_running_loop().run_in_executor(self._executor, work)
        try:
            yield job
        finally:
            if job.done():
                self._free.release()
            else:
                self._abandon(job)

    def close(self) -> None:
        """End the threads that do nothing, and the others when they are done."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _abandon(self, job: asyncio.Future[None]) -> None:
        replaced = self._abandoned < MAX_ABANDONED
        if replaced:
            self._abandoned += 1
            self._free.release()
        elif not self._free.locked():
            logger.warning("%d requests go on though their clients have left", self._abandoned)

        def ended(job: asyncio.Future[None]) -> None:
            if replaced:
                self._abandoned -= 1
            else:
                self._free.release()
            if not job.cancelled() and (error := job.exception()) is not None:
                logger.error("the application failed after its client had left", exc_info=error)

        job.add_done_callback(ended)
