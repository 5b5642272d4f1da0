"""The output of child processes that inherit the standard output of the tests.

`capfd` would lose some of it: it reads its file and then truncates it, and a child may write in between.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager

from harness.context import PATIENCE


class Output:
    """Collects everything written to file descriptor 1."""

    def __init__(self, pipe: int) -> None:
        self._pipe = pipe
        self._text = b""

    def read(self) -> str:
        """Return all output so far."""
        try:
            while data := os.read(self._pipe, 65536):
                self._text += data
        except BlockingIOError:
            pass
        return self._text.decode()

    async def until(self, wanted: str) -> str:
        """Wait for a text; return all output so far. Raises TimeoutError."""
        loop = asyncio.get_running_loop()
        readable = asyncio.Event()
        loop.add_reader(self._pipe, readable.set)
        try:
            async with asyncio.timeout(PATIENCE):
                while wanted not in (output := self.read()):
                    readable.clear()
                    await readable.wait()
        finally:
            loop.remove_reader(self._pipe)
        return output


@contextmanager
def collected_output() -> Iterator[Output]:
    """Replace file descriptor 1 by a pipe while the block runs.

    Not a fixture: pytest sets the descriptor again between a test's setup and its call.
    """
    reader, writer = os.pipe()
    original = os.dup(1)
    os.dup2(writer, 1)
    os.close(writer)
    os.set_blocking(reader, False)
    try:
        yield Output(reader)
    finally:
        os.dup2(original, 1)
        os.close(original)
        os.close(reader)
