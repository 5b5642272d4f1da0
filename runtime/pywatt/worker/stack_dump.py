"""The worker's part of `pywatt stack`: the signal that dumps thread stacks, and the stacks of waiting tasks."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import Iterator
from types import FrameType

from pywatt.worker.user_traceback import is_machinery

STACK_SIGNAL = signal.SIGRTMIN + 1
"""Makes a worker print the stack of each of its threads; programs do not use this signal for themselves."""
MOST_STACKS = 100


def waiting() -> dict[str, object]:
    """Return the stacks of the tasks that run code of the user's, as the answer of a hook."""
    stacks = Counter(lines for task in asyncio.all_tasks() if (lines := _users_lines(task)))
    shown = [
        "\n".join([f"{count} task{'s wait' if count > 1 else ' waits'} (most recent call first):", *lines])
        for lines, count in stacks.most_common(MOST_STACKS)
    ]
    return {"status": False, "body": "\n".join(shown)} if shown else {"status": True}


def _users_lines(task: asyncio.Task[object]) -> tuple[str, ...]:
    """Return the task's stack without pywatt's frames around the user's code; nothing if none is the user's."""
    frames = list(_frames(task.get_coro()))
    first = next((index for index, frame in enumerate(frames) if not is_machinery(frame.f_code.co_filename)), None)
    if first is None:
        return ()
    return tuple(
        f'  File "{frame.f_code.co_filename}", line {frame.f_lineno} in {frame.f_code.co_name}'
        for frame in reversed(frames[first:])
    )


def _frames(awaited: object) -> Iterator[FrameType]:
    """Yield the frames of a coroutine and of its chain of awaits, the outermost first."""
    while awaited is not None:
        for kind, inner in (("cr", "cr_await"), ("gi", "gi_yieldfrom"), ("ag", "ag_await")):
            frame = getattr(awaited, f"{kind}_frame", None)
            if isinstance(frame, FrameType):
                yield frame
                awaited = getattr(awaited, inner)
                break
        else:
            return
