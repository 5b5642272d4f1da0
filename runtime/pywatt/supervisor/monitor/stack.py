"""Makes a running worker print its stack, even when its event loop hangs."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress

from pywatt import procfs
from pywatt.errors import ControlError
from pywatt.logs.lines import LogRecord
from pywatt.supervisor.process.worker import Worker
from pywatt.worker.stack_dump import STACK_SIGNAL

DUMP_SECONDS = 3.0
"""Seconds within which a worker that can run at all has printed its stack."""
TASKS_SECONDS = 1.0
"""Seconds within which a running event loop has reported its tasks."""
_TASKS = "pywatt.worker.stack_dump:waiting"
_DUMPS = ("Thread 0x", "Current thread 0x")


async def stack_of(worker: Worker) -> list[str]:
    """Return the lines that the worker prints of its stack; they go to the log as well. Raises ControlError."""
    if not procfs.catches(worker.pid, STACK_SIGNAL):
        # The signal would end it: it has not come far enough, or is another Python that has not begun yet.
        raise ControlError(f"worker {worker.slot} (pid {worker.pid}) cannot print its stack: it is only just starting")
    dumped: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()

    def take(record: LogRecord) -> None:
        if record.msg.startswith(_DUMPS) and not dumped.done():
            dumped.set_result(record.msg.splitlines())

    worker.output.listeners.add(take)
    try:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, STACK_SIGNAL)
        async with asyncio.timeout(DUMP_SECONDS):
            return await dumped
    except TimeoutError:
        raise ControlError(
            f"worker {worker.slot} (pid {worker.pid}) printed no stack within {DUMP_SECONDS:g} s: "
            f"the kernel says that it is {procfs.state(worker.pid)}"
        ) from None
    finally:
        worker.output.listeners.discard(take)


async def tasks_of(worker: Worker) -> list[str]:
    """Return the stacks of the worker's waiting tasks that run the user's code; nothing when its loop hangs."""
    try:
        async with asyncio.timeout(TASKS_SECONDS):
            told = (await worker.check(_TASKS)).problem
    except TimeoutError:
        return []
    return told.removeprefix(f"{_TASKS}: ").splitlines()
