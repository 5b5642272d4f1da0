"""Single keys typed into the terminal: r, q and the numbers of the services."""

from __future__ import annotations

import asyncio
import os
import termios
import tty
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager


@contextmanager
def _each_key_at_once(terminal: int) -> Iterator[None]:
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


async def read_keys(terminal: int) -> AsyncGenerator[str]:
    """Yield each key as it is typed, without Enter and without showing it."""
    loop = asyncio.get_running_loop()
    typed: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        for key in os.read(terminal, 64).decode(errors="ignore"):
            typed.put_nowait(key)

    with _each_key_at_once(terminal):
        loop.add_reader(terminal, read)
        try:
            while True:
                yield await typed.get()
        finally:
            loop.remove_reader(terminal)
