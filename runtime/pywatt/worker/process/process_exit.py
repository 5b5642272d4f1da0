"""The exit of a worker: its threads and exit handlers get the rest of the stop's time, as in any Python program.

The process then ends by `os._exit`. Anything that still runs shortly before the supervisor would kill the worker is
named in the log and cut off.
"""

from __future__ import annotations

import atexit
import enum
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.worker.user_traceback import is_machinery

FAILURE_GRACE = 1.0
"""Seconds that threads get when the service has failed: its next worker waits for their end."""
MARGIN = 1.0
"""Seconds before the supervisor's limit at which the rest is cut off."""
MARGIN_SHARE = 0.05
"""Largest share of the whole time for that."""
MOST_NAMES = 10
_STDLIB = os.path.dirname(os.__file__) + os.sep

logger = pywatt_logger("pywatt.worker")


class Phase(enum.Enum):
    """The phases of a worker's end."""

    SERVING = enum.auto()
    THREADS = enum.auto()
    EXIT_HANDLERS = enum.auto()


class ProcessExit:
    """One worker's end and its time limit."""

    def __init__(
        self, *, leave: Callable[[int], object] = os._exit, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.status = 0
        """The exit status with which the process ends when the time is up."""
        self._leave = leave
        self._clock = clock
        self._phase = Phase.SERVING
        self._deadline: float | None = None
        self._limit = 0.0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def end_within(self, limit: float, *, at_most: bool = False) -> None:
        """Allow `limit` seconds from now on; `at_most`: unless less is left of the time allowed before."""
        with self._changed:
            margin = _margin(limit)
            deadline = self._clock() + limit - margin
            if at_most and self._deadline is not None and self._deadline <= deadline:
                return
            self._deadline, self._limit = deadline, limit
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="pywatt-exit", daemon=True)
                self._thread.start()
            self._changed.notify()

    def finish(self) -> None:
        """Wait for the threads that are no daemons, then call the exit handlers: the order of Python's own end."""
        self._phase = Phase.THREADS
        with suppress(Exception):  # the end of a pool of the application's; nothing else is called there
            threading._shutdown()  # type: ignore[attr-defined]  # ends the idle workers of concurrent.futures' pools
        self._phase = Phase.EXIT_HANDLERS
        atexit._run_exitfuncs()

    def _watch(self) -> None:
        with self._changed:
            while self._deadline is not None and (left := self._deadline - self._clock()) > 0:
                self._changed.wait(left)
        phase = self._phase
        logger.warning("did not end within %g s and is cut off: %s", self._limit, "; ".join(_unfinished(phase)))
        if phase is Phase.THREADS:
            handlers = threading.Thread(target=atexit._run_exitfuncs, daemon=True)
            handlers.start()
            handlers.join(_margin(self._limit) / 2)
        self._leave(self.status)


def _margin(limit: float) -> float:
    return min(MARGIN, limit * MARGIN_SHARE)


def _unfinished(phase: Phase) -> Iterator[str]:
    """Yield descriptions of the threads and handlers that keep this process from ending."""
    main = threading.main_thread()
    if phase is Phase.THREADS:
        threads = [one for one in threading.enumerate() if one is not main and not one.daemon]
        yield from _listed("thread", [f"{one.name}{_place(one)}" for one in threads])
    else:
        yield f"the main thread{_place(main)}"
    # A service that never had such children has not imported it.
    process = sys.modules.get("multiprocessing.process")
    if process is not None and phase is not Phase.SERVING:
        yield from _listed("child process", [f"{child.name} (pid {child.pid})" for child in process.active_children()])


def _listed(kind: str, names: Sequence[str]) -> Iterator[str]:
    if names:
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        yield f"{kind} {', '.join(names[:MOST_NAMES])}{more}"


def _place(thread: threading.Thread) -> str:
    """Return where the thread is, by the innermost line of the user's code."""
    frame = sys._current_frames().get(thread.ident or 0)
    while frame is not None and _is_not_the_users(frame.f_code.co_filename):
        frame = frame.f_back
    return "" if frame is None else f' (in {frame.f_code.co_name}, "{frame.f_code.co_filename}", line {frame.f_lineno})'


def _is_not_the_users(filename: str) -> bool:
    return is_machinery(filename) or filename.startswith((_STDLIB, "<frozen"))
