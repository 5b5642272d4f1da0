"""A thread that passes lines on in batches, so that a writer never waits for a slow reader or disk."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

BATCH_BYTES = 64 * 1024
LIMIT_BYTES = 8 * 1024 * 1024


class BatchWriter:
    """Holds at most `limit` bytes; lines beyond that are dropped, and `notice` makes the line that tells how many."""

    def __init__(
        self,
        sink: Callable[[bytes], None],
        *,
        name: str,
        notice: Callable[[int, OSError | None], bytes],
        failed: Callable[[OSError], None],
        linger: float = 0.0,
        limit: int = LIMIT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sink` takes one batch; an OSError of its goes to `failed` (once, until a batch passes again).

        The lines of a batch that failed are lost, and the next batch is tried all the same: a full disk may have room
        again. `notice` gets the number of lost lines, and the error that lost them if it was one.

        `linger`: seconds for which lines are gathered before a batch is passed on.
        """
        self.pending = 0
        """Bytes that the sink has not taken yet."""
        self.passed_at = clock()
        """Time at which the sink last took a batch, or had nothing to take."""
        self._sink = sink
        self._notice = notice
        self._failed = failed
        self._linger = linger
        self._limit = limit
        self._clock = clock
        self._lines: deque[tuple[bytes, int]] = deque()
        """Each with the number of lines that it stands for: a notice stands for those that were dropped."""
        self._dropped = 0
        self._failure: OSError | None = None
        self._refused = 0
        """Lines of the batches that have failed since one passed."""
        self._in_flight = 0
        """Lines of the batch that the sink has not taken yet."""
        self._urgent = False
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def write(self, line: bytes, *, lines: int = 1, urgent: bool = False) -> None:
        """Queue a line, with its line break, or several at once; `urgent`: do not linger."""
        with self._changed:
            if self.pending + len(line) > self._limit:
                self._dropped += lines
                return
            self._tell_dropped()
            idle = not self._lines
            if not self.pending:
                self.passed_at = self._clock()
            self._lines.append((line, lines))
            self.pending += len(line)
            self._urgent |= urgent
            if idle or urgent or self.pending >= BATCH_BYTES:
                self._changed.notify()

    @property
    def failure(self) -> OSError | None:
        """The reason why the sink did not take the last batch, if it did not."""
        return self._failure

    def close(self, patience: float) -> int:
        """Pass on the rest and end; return the number of lines lost because the sink took none for `patience` s."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        while self._thread.is_alive():
            self._thread.join(patience / 10)
            if self._clock() - self.passed_at > patience:
                break
        with self._changed:
            waiting = sum(weight for _, weight in self._lines) + self._in_flight
            return waiting + self._dropped + self._refused

    def _tell_dropped(self) -> None:
        if self._dropped:
            line = self._notice(self._dropped, None)
            self._lines.append((line, self._dropped))
            self._dropped = 0
            self.pending += len(line)

    def _hurries(self) -> bool:
        return self._urgent or self._closing or self.pending >= BATCH_BYTES

    def _run(self) -> None:
        while lines := self._next():
            batch = b"".join(line for line, _ in lines)
            self._in_flight = sum(weight for _, weight in lines)
            self._pass_on(batch, self._in_flight)
            with self._changed:
                self._in_flight = 0
                self.pending -= len(batch)
                self.passed_at = self._clock()
                if not self._lines:
                    self._tell_dropped()

    def _pass_on(self, batch: bytes, lines: int) -> None:
        before = self._failure
        try:
            if before is not None:
                batch = self._notice(self._refused, before) + batch
            self._sink(batch)
        except OSError as error:
            self._failure = error
            self._refused += lines
            if before is None:
                self._failed(error)
        else:
            self._failure, self._refused = None, 0

    def _next(self) -> list[tuple[bytes, int]]:
        """Wait for lines and return a batch of them; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closing)
            if self._linger:
                self._changed.wait_for(self._hurries, timeout=self._linger)
            self._urgent = False
            batch: list[tuple[bytes, int]] = []
            size = 0
            while self._lines and size < BATCH_BYTES:
                batch.append(self._lines.popleft())
                size += len(batch[-1][0])
            return batch
