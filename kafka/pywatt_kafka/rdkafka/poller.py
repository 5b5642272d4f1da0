"""The only thread that uses a confluent-kafka Consumer: calls from other threads would block during its polls.

It never stops polling, whether or not anybody takes the records: rebalances and the results of commits are told only in
a poll. It reads ahead up to a limit. Beyond it, it polls now and then, which reads a record each time; once these have
become too many, it pauses the partitions natively, which makes the library fetch what it had fetched once more.

Every call of the Consumer is a job of that thread, run between two short polls: nothing ends a poll but a record. So
polls are the shorter the later the last job is: an application that commits record by record waits for each of them.
While a rebalance waits for the event loop, the thread continues to run jobs, as the listener in the loop needs some.

While the event loop hangs, it does not poll: after max.poll.interval.ms librdkafka gives up the membership, and other
members take over.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from pywatt_kafka.rdkafka.loop_watch import LoopWatch

ResultT = TypeVar("ResultT")
BatchT = TypeVar("BatchT")
BatchT_co = TypeVar("BatchT_co", covariant=True)

SLICE = 0.05  # seconds of one poll: the longest wait of a job ...
SHORTEST_SLICE = 0.001  # ... and of a poll right after a job
JOB_DELAY = 0.25  # longest wait of a job, as a fraction of the time since the last one
SERVE_INTERVAL = 0.25  # seconds between polls while enough was read ahead ...
COMMIT_INTERVAL = 0.002  # ... and while the result of a commit is expected
ERROR_PAUSE = 0.5  # seconds after a poll that failed
EXTRA_RECORDS = 1000  # read beyond the limit before the partitions are paused
LOOP_CHECK = 1.0  # seconds between checks whether the event loop still lives

Job = Callable[[], None]


class Source(Protocol[BatchT_co]):
    """The client of a poller; its methods are called in the poller's thread."""

    def poll(self, timeout: float, max_records: int) -> tuple[BatchT_co, int] | None:
        """Wait at most this many seconds for records; return them with their weight, or None.

        The weight of small records is their number.
        """
        ...

    def hold(self, held: bool) -> None:
        """Pause all partitions, or resume those that the user has not paused."""
        ...

    def expecting(self) -> bool:
        """Return whether a poll will tell the result of a commit."""
        ...


class Poller(Generic[BatchT]):
    """Runs jobs and polls, and passes what was read to the event loop."""

    def __init__(
        self, source: Source[BatchT], *, arrived: Callable[[BatchT], None], failed: Callable[[Exception], None]
    ) -> None:
        """`arrived` and `failed` are called in the event loop, in the order of the polls."""
        self._source = source
        self._arrived = arrived
        self._failed = failed
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self.limit = 1
        """Weight of the records to read ahead."""
        self._read = 0
        self._taken = 0
        self._full = False
        self._held = False
        self._ending = False
        self._job_at = 0.0
        self._polled_at = 0.0
        self._last: Job = _wake
        self._watch = LoopWatch(self.post, came_back=lambda: self._jobs.put(_wake))
        self._thread = threading.Thread(target=self._run, name="rdkafka-poll", daemon=True)

    def start(self) -> None:
        """Start the thread; called in the event loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def taken(self, count: int) -> None:
        """Note that records of that weight are no longer held; called in the event loop."""
        self._taken += count
        if self._full:
            self._jobs.put(_wake)

    async def call(self, job: Callable[[], ResultT]) -> ResultT:
        """Run a job and return its result. Raises its errors."""
        done: asyncio.Future[ResultT] = self._loop.create_future()

        def work() -> None:
            try:
                result = job()
            except Exception as error:  # noqa: BLE001  it is raised in the caller of the job
                self.post(partial(_fail, done, error))
            else:
                self.post(partial(_answer, done, result))

        self._jobs.put(work)
        return await done

    def call_soon(self, job: Job) -> None:
        """Run a job that cannot fail, without waiting for it."""
        self._jobs.put(job)

    def run_in_loop(self, work: Coroutine[Any, Any, None], limit: float, *, late: Job = lambda: None) -> None:
        """Run a coroutine in the event loop, and jobs until it ends; called by the thread itself.

        Raises its errors, and TimeoutError after `limit` seconds: the coroutine continues, `late` is a job after it.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.add_done_callback(lambda _: self._jobs.put(_wake))
        deadline = time.monotonic() + limit
        while not future.done():
            left = deadline - time.monotonic()
            if left <= 0 or self._loop.is_closed():
                future.add_done_callback(lambda _: self._jobs.put(late))
                raise TimeoutError("the event loop is busy with something else")
            with suppress(queue.Empty):
                self._jobs.get(timeout=min(left, LOOP_CHECK))()
        future.result()

    async def end(self, job: Job, limit: float) -> None:
        """Run a last job and end the thread; wait at most `limit` seconds for it."""
        if not self._thread.is_alive():
            return
        done: asyncio.Future[None] = self._loop.create_future()

        def last() -> None:
            try:
                job()
            finally:
                self.post(partial(_answer, done, None))

        self._last = last  # not queued as a job: jobs may run in the middle of a rebalance
        self._ending = True
        self._jobs.put(_wake)
        await asyncio.wait({done}, timeout=limit)

    def post(self, what: Callable[[], object]) -> None:
        """Call a function in the event loop; called in the thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what)

    def _run(self) -> None:
        while not self._ending:
            if self._watch.is_silent():
                with suppress(queue.Empty):
                    self._jobs.get(timeout=LOOP_CHECK)()
                continue
            pause = self._pause()
            if pause > 0:
                pause -= time.monotonic() - self._polled_at
                if pause <= 0:  # jobs that follow each other do not keep it from polling
                    self._poll_once()
                    continue
            try:
                job = self._jobs.get(block=pause > 0, timeout=pause or None)
            except queue.Empty:
                self._poll_once()
            else:
                job()
                self._job_at = time.monotonic()
        self._last()

    def _pause(self) -> float:
        """Return the seconds between the last poll and the next one; a job or taken records may shorten them."""
        enough = self.limit // 2 if self._held else 0
        if self._room() > enough:
            self._full = False
            return 0
        self._full = True  # from now on the event loop wakes this thread when it takes records
        if self._room() > enough:
            return 0
        if self._source.expecting():
            return COMMIT_INTERVAL
        return SLICE if self._held else SERVE_INTERVAL

    def _slice(self) -> float:
        """Return the seconds that a poll may wait for a record."""
        return min(SLICE, max(SHORTEST_SLICE, (time.monotonic() - self._job_at) * JOB_DELAY))

    def _room(self) -> int:
        return self.limit - (self._read - self._taken)

    def _poll_once(self) -> None:
        room = self._room()
        self._polled_at = time.monotonic()
        try:
            if self._held is not (held := room <= self.limit // 2 if self._held else room < -EXTRA_RECORDS):
                self._source.hold(held)
                self._held = held
            waits = not held and room > 0
            polled = self._source.poll(self._slice() if waits else 0.0, max(room, 1))
        except Exception as error:  # noqa: BLE001  it is raised by the next fetch
            self.post(partial(self._failed, error))
            self._rest()
            return
        if polled is not None:
            batch, count = polled
            self._read += count
            self.post(partial(self._arrived, batch))

    def _rest(self) -> None:
        try:
            self._jobs.get(timeout=ERROR_PAUSE)()
        except queue.Empty:
            return


def _answer(future: asyncio.Future[ResultT], result: ResultT) -> None:
    if not future.done():
        future.set_result(result)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    if not future.done():
        future.set_exception(error)


def _wake() -> None:
    """Do nothing: a job that only wakes the thread."""
