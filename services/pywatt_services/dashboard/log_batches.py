"""The app's log in batches: however fast the app logs, a page gets few events and a bounded number of lines."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Callable

from pywatt.control.log_stream import KEEP_ALIVE_SECONDS, LogLine

BATCH_SECONDS = 0.2
BATCH_LINES = 400
"""Lines that one batch has at most: the newest. A page that followed 10,000 lines a second could show no more."""
_TOKEN = re.compile(rb"#token=[\w.~%+-]+")


async def log_batches(
    lines: AsyncIterator[LogLine | None], clock: Callable[[], float], *, first: int = BATCH_LINES
) -> AsyncIterator[bytes]:
    """Yield the lines as server-sent events `logs`, with the number of `skipped` ones; `first`: lines to begin with.

    The source yields None when there is nothing new.
    """
    kept: deque[LogLine] = deque(maxlen=first)
    taken = 0
    due = clock() + BATCH_SECONDS
    written = clock()
    yield b"retry: 1000\n\n"
    async for line in lines:
        if line is not None:
            kept.append(line)
            taken += 1
        now = clock()
        if kept and (line is None or now >= due):
            yield _event(kept, taken - len(kept))
            kept, taken = deque(maxlen=BATCH_LINES), 0
            due, written = now + BATCH_SECONDS, now
        elif now - written >= KEEP_ALIVE_SECONDS:
            yield b": nothing new\n\n"
            written = now
    if kept:
        yield _event(kept, taken - len(kept))


def _event(lines: deque[LogLine], skipped: int) -> bytes:
    records = b",".join(_without_token(line.text) for line in lines)
    return b'event: logs\nid: %b\ndata: {"skipped":%d,"records":[%b]}\n\n' % (lines[-1].id.encode(), skipped, records)


def _without_token(text: bytes) -> bytes:
    """Return a line without the token of a dashboard's URL, which `pywatt dev` logs: it may be handed on."""
    return _TOKEN.sub(b"#token=[hidden]", text) if b"#token=" in text else text
