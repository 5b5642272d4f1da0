"""A thread that passes lines on in batches, so that whoever writes them never waits for a slow reader or disk."""

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
        notice: Callable[[int], bytes],
        failed: Callable[[OSError], None],
        linger: float = 0.0,
        limit: int = LIMIT_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`sink` takes one batch; an OSError of its goes to `failed` (once, until a batch passes again).

        `linger`: seconds for which lines are gathered before a batch is passed on.
        """
        self.pending = 0
        """Bytes that the sink has not taken yet."""
        self.passed_at = clock()
        """When the sink last took a batch, or had nothing to take."""
        self._sink = sink
        self._notice = notice
        self._failed = failed
        self._linger = linger
        self._limit = limit
        self._clock = clock
        self._lines: deque[bytes] = deque()
        self._dropped = 0
        self._urgent = False
        self._closing = False
        self._failing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def write(self, line: bytes, *, urgent: bool = False) -> None:
        """Queue a line, with its line break; `urgent`: do not linger."""
        with self._changed:
            if self.pending + len(line) > self._limit:
                self._dropped += 1
                return
            self._tell_dropped()
            idle = not self._lines
            if not self.pending:
                self.passed_at = self._clock()
            self._lines.append(line)
            self.pending += len(line)
            self._urgent |= urgent
            if idle or urgent or self.pending >= BATCH_BYTES:
                self._changed.notify()

    def close(self, patience: float) -> int:
        """Pass on what is left and end; return how many lines were lost because the sink took none for `patience` s."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        while self._thread.is_alive():
            self._thread.join(patience / 10)
            if self._clock() - self.passed_at > patience:
                break
        with self._changed:
            return len(self._lines) + self._dropped

    def _tell_dropped(self) -> None:
        if self._dropped:
            line = self._notice(self._dropped)
            self._dropped = 0
            self._lines.append(line)
            self.pending += len(line)

    def _hurries(self) -> bool:
        return self._urgent or self._closing or self.pending >= BATCH_BYTES

    def _run(self) -> None:
        while batch := self._next():
            try:
                self._sink(batch)
                self._failing = False
            except OSError as error:
                if not self._failing:
                    self._failing = True
                    self._failed(error)
            with self._changed:
                self.pending -= len(batch)
                self.passed_at = self._clock()
                if not self._lines:
                    self._tell_dropped()

    def _next(self) -> bytes:
        """Wait for lines and return a batch of them; empty at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._lines or self._closing)
            if self._linger:
                self._changed.wait_for(self._hurries, timeout=self._linger)
            self._urgent = False
            batch: list[bytes] = []
            size = 0
            while self._lines and size < BATCH_BYTES:
                batch.append(self._lines.popleft())
                size += len(batch[-1])
            return b"".join(batch)
