from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from pywatt.channel.messages import MemoryRecorded
from pywatt.errors import ControlError
from pywatt.supervisor.monitor import memory
from pywatt.supervisor.monitor.memory import recorded_memory
from pywatt.supervisor.policy.worker_state import WorkerState
from pywatt.supervisor.process.worker import Worker


class ScriptedWorker:
    """Answers as it was made to; without an answer, it never does."""

    slot, pid = 0, 7

    def __init__(self, answer: MemoryRecorded | None = None, state: WorkerState = WorkerState.READY) -> None:
        self.exited: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.state = state
        self._answer = answer

    async def record_memory(self, seconds: float) -> MemoryRecorded:
        if self._answer is None:
            await asyncio.Event().wait()
        assert self._answer is not None
        return self._answer


async def recorded(worker: ScriptedWorker) -> Any:
    return await recorded_memory(cast(Worker, worker), 0.01)


async def test_the_stacks_of_the_worker_are_returned() -> None:
    stacks = [[["app.py:1"], 512]]
    assert await recorded(ScriptedWorker(MemoryRecorded(1, stacks))) == stacks


async def test_a_worker_that_refuses_tells_why() -> None:
    with pytest.raises(ControlError, match=r"worker 0 \(pid 7\) cannot record its memory: another goes on"):
        await recorded(ScriptedWorker(MemoryRecorded(1, [], "another goes on")))


async def test_a_worker_that_is_not_ready_is_not_asked() -> None:
    with pytest.raises(ControlError, match="is not ready"):
        await recorded(ScriptedWorker(state=WorkerState.STARTING))


async def test_the_end_of_the_worker_ends_the_recording() -> None:
    worker = ScriptedWorker()
    asyncio.get_running_loop().call_soon(worker.exited.set_result, None)
    with pytest.raises(ControlError, match="has ended meanwhile"):
        await recorded(worker)


async def test_a_worker_that_hangs_is_told_with_what_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "ANSWER_SECONDS", 0.0)
    with pytest.raises(ControlError, match="its event loop hangs") as caught:
        await recorded(ScriptedWorker())
    assert caught.value.hint == "`pywatt stack` shows where"
