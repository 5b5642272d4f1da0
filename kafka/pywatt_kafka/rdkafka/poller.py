"""The only thread that uses a confluent-kafka Consumer: calls from other threads would block during its polls.

So every call of the Consumer is a job of that thread, run between two short polls. While a rebalance waits for the
event loop, the thread continues to run jobs, as the listener in the loop needs some.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Generic, TypeVar

ResultT = TypeVar("ResultT")
BatchT = TypeVar("BatchT")

SLICE = 0.05  # seconds of one poll: the longest wait of a job
IDLE = 0.5  # seconds between polls without a fetch: the group removes a member that does not poll

Job = Callable[[], None]


class Poller(Generic[BatchT]):
    """Runs jobs, and polls when a fetch waits for records or IDLE seconds have passed."""

    def __init__(self, poll: Callable[[float, int], BatchT]) -> None:
        """`poll`: waits at most the given seconds for the given number of records; returns a false value if none."""
        self._poll = poll
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._requested: tuple[asyncio.Future[BatchT], float, int] | None = None
        self._batch: asyncio.Future[BatchT] | None = None
        """Result of the current fetch, until it is taken."""
        self._kept: BatchT | None = None
        """Records of a poll without a fetch."""
        self._ending = False
        self._last: Job = _wake
        self._thread = threading.Thread(target=self._run, name="rdkafka-poll", daemon=True)

    def start(self) -> None:
        """Start the thread; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    async def fetch(self, timeout: float, max_records: int) -> BatchT | None:
        """Return the records that arrive within the timeout, or None. Raises the errors of the poll."""
        batch = self._batch
        if batch is None:
            batch = self._batch = self._loop.create_future()
            self._jobs.put(lambda: self._request(batch, timeout, max_records))
        # Not cancelled with its caller: the next one gets its records then.
        done, _ = await asyncio.wait({batch}, timeout=timeout + SLICE)
        if not done:
            return None
        self._batch = None
        return batch.result()

    async def call(self, job: Callable[[], ResultT]) -> ResultT:
        """Run a job and return its result. Raises its errors."""
        done: asyncio.Future[ResultT] = self._loop.create_future()

        def work() -> None:
            try:
                result = job()
            except Exception as error:  # noqa: BLE001  it is raised in the caller of the job
                self._post(partial(_fail, done, error))
            else:
                self._post(partial(_answer, done, result))

        self._jobs.put(work)
        return await done

    def call_soon(self, job: Job) -> None:
        """Run a job that cannot fail, without waiting for it."""
        self._jobs.put(job)

    def run_in_loop(self, work_in_loop: Coroutine[Any, Any, None], limit: float) -> None:
        """Run a coroutine in the event loop, and jobs until it ends; called by the thread itself.

        Raises its errors, and TimeoutError after `limit` seconds.
        """
        future = asyncio.run_coroutine_threadsafe(work_in_loop, self._loop)
        future.add_done_callback(lambda _: self._jobs.put(_wake))
        timer = threading.Timer(limit, self._jobs.put, [lambda: None if future.done() else _cancel(future)])
        timer.start()
        try:
            while not future.done():
                self._jobs.get()()
            future.result()
        finally:
            timer.cancel()

    async def end(self, job: Job, limit: float) -> None:
        """Run a last job and end the thread; wait at most `limit` seconds for it."""
        if not self._thread.is_alive():
            return
        done: asyncio.Future[None] = self._loop.create_future()

        def last() -> None:
            try:
                job()
            finally:
                self._post(partial(_answer, done, None))

        self._last = last  # not queued as a job: jobs may run in the middle of a rebalance
        self._ending = True
        self._jobs.put(_wake)
        await asyncio.wait({done}, timeout=limit)

    def _run(self) -> None:
        while not self._ending:
            try:
                job = self._jobs.get(block=self._requested is None, timeout=IDLE)
            except queue.Empty:
                self._poll_once()
            else:
                job()
        self._last()

    def _poll_once(self) -> None:
        """Poll once; records without a fetch are kept for the next one."""
        if self._requested is None:
            untaken = self._batch is not None and self._batch.done()
            if self._kept is None and not untaken:
                try:
                    self._kept = self._poll(0.0, 1) or None
                except Exception:  # noqa: BLE001  the next fetch raises it again
                    self._kept = None
            return
        future, timeout, max_records = self._requested
        try:
            batch = self._poll(min(SLICE, max(timeout, 0.0)), max_records)
        except Exception as error:  # noqa: BLE001  it is raised by `fetch`
            self._requested = None
            self._post(partial(_fail, future, error))
            return
        if batch or timeout <= SLICE:
            self._deliver(future, batch)
        else:
            self._requested = future, timeout - SLICE, max_records

    def _request(self, future: asyncio.Future[BatchT], timeout: float, max_records: int) -> None:
        if self._kept is not None:
            kept, self._kept = self._kept, None
            self._deliver(future, kept)
        else:
            self._requested = future, timeout, max_records

    def _deliver(self, future: asyncio.Future[BatchT], batch: BatchT) -> None:
        self._requested = None
        self._post(partial(_answer, future, batch))

    def _post(self, what: Callable[[], object]) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)


def _answer(future: asyncio.Future[ResultT], result: ResultT) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _wake() -> None:
    """Do nothing: a job that only wakes the thread."""


def _cancel(future: Any) -> None:
    future.cancel()
    raise TimeoutError
