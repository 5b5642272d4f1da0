"""Reads standard input without blocking the event loop, or the end of the program."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator
from typing import BinaryIO, cast

CHUNK = 64 * 1024  # bytes
AHEAD = 16  # chunks


async def chunks() -> AsyncGenerator[bytes]:
    """Yield standard input in chunks as they come. Raises OSError."""
    loop = asyncio.get_running_loop()
    stream = sys.stdin.buffer
    # the raw file: the lock of a buffered one would be held at the end of the program, which Python does not survive
    raw = cast("BinaryIO", getattr(stream, "raw", stream))
    found: asyncio.Queue[bytes | OSError] = asyncio.Queue()
    room = threading.Semaphore(AHEAD)

    def read() -> None:
        item: bytes | OSError = b" "
        while isinstance(item, bytes) and item:
            room.acquire()
            try:
                item = raw.read(CHUNK)
            except OSError as error:
                item = error
            try:
                loop.call_soon_threadsafe(found.put_nowait, item)
            except RuntimeError:  # the loop is closed
                return

    # a daemon: nobody can wake a thread that reads a terminal
    threading.Thread(target=read, name="stdin", daemon=True).start()
    while item := await found.get():
        if isinstance(item, OSError):
            raise item
        room.release()
        yield item


async def lines() -> AsyncGenerator[bytes]:
    """Yield the lines of standard input without their ends; the last one may lack an end. Raises OSError."""
    rest = b""
    async for chunk in chunks():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line.removesuffix(b"\r")
    if rest:
        yield rest
