"""Passes batches of lines to a transport's own process, and waits for its word that it has taken them.

The process is begun with the first batch, and anew after its end. A batch that it does not confirm counts as lost.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

MODULE = "pywatt.logs.transports.transport_process"
TAKEN = b"."
"""The process writes it for each batch, on its standard output."""
PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
"""Seconds between two starts of a process that ends by itself: they double until it takes a batch."""


class ProcessSink:
    """The process of one transport; all but `close` runs in the thread of its BatchWriter."""

    def __init__(
        self,
        target: str,
        options: Mapping[str, Any],
        folder: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`target`: `module:function`, or `module:Class`; `folder`: its first import path."""
        self._head = {"target": target, "options": dict(options), "folder": os.fspath(folder)}
        self._clock = clock
        self._process: subprocess.Popen[bytes] | None = None
        self._pause = PAUSE_SECONDS
        self._begun = -LONGEST_PAUSE_SECONDS
        self._closing = False

    def write(self, batch: bytes) -> None:
        """Pass lines on. Raises OSError if the process has not taken them."""
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(batch + b"\n")
            process.stdin.flush()
            taken = process.stdout.read(1)
        except (OSError, ValueError):  # its pipes may be closed at the end of the app
            taken = b""
        if taken != TAKEN:
            self._end(process)
            raise OSError(0, "its process has ended; it says why on standard error")
        self._pause = PAUSE_SECONDS

    def close(self, patience: float) -> None:
        """Let the process end by itself, then kill it."""
        self._closing = True
        process = self._process
        if process is None:
            return
        with suppress(OSError, ValueError):
            assert process.stdin is not None
            process.stdin.close()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience)
        self._end(process)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        now = self._clock()
        if self._closing or now - self._begun < self._pause:
            raise OSError(0, "its process has ended; it says why on standard error")
        if now - self._begun < LONGEST_PAUSE_SECONDS:
            self._pause = min(self._pause * 2, LONGEST_PAUSE_SECONDS)
        self._begun = now
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C in the terminal is for the app, whose last lines it still takes
        )
        assert process.stdin is not None
        with suppress(OSError):
            process.stdin.write(json.dumps(self._head).encode() + b"\n")
        return process

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        self._process = None
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for stream in (process.stdin, process.stdout):
            with suppress(OSError, ValueError):
                assert stream is not None
                stream.close()
