"""Has a running worker record which lines of code hold memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from pywatt.channel.messages import MemoryRecorded
from pywatt.errors import ControlError
from pywatt.supervisor.policy.worker_state import WorkerState
from pywatt.supervisor.process.worker import Worker

ANSWER_SECONDS = 30.0
"""Seconds beyond the recording within which a worker whose event loop runs has counted its memory."""


async def recorded_memory(worker: Worker, seconds: float) -> Sequence[object]:
    """Return the stacks of `pywatt.worker.memory_recording`. Raises ControlError."""
    who = f"worker {worker.slot} (pid {worker.pid})"
    if worker.state is not WorkerState.READY:
        raise ControlError(f"{who} is not ready", hint="`pywatt services` shows when it is")
    answer = asyncio.ensure_future(worker.record_memory(seconds))
    try:
        await asyncio.wait((answer, worker.exited), timeout=seconds + ANSWER_SECONDS, return_when="FIRST_COMPLETED")
        if not answer.done():
            if worker.exited.done():
                raise ControlError(f"{who} has ended meanwhile", hint="its log tells why: pywatt logs")
            raise ControlError(f"{who} did not answer: its event loop hangs", hint="`pywatt stack` shows where")
        recorded: MemoryRecorded = answer.result()
    finally:
        answer.cancel()
    if recorded.problem:
        raise ControlError(f"{who} cannot record its memory: {recorded.problem}", hint="try again later")
    return recorded.stacks
