"""The app's log in batches: however fast the app logs, a page gets few events and a bounded number of lines."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from itertools import islice

from pywatt.control.log_stream import KEEP_ALIVE_SECONDS, LogLine

BATCH_SECONDS = 0.2
BATCH_LINES = 400
"""Lines that one batch has at most: the newest. A page that followed 10,000 lines a second could show no more."""
FLOOD_LINES = 100
"""Lines that one batch has while lines are left out of each, for longer than FLOOD_BATCHES: more than can be read."""
FLOOD_BATCHES = 5
_TOKEN = re.compile(rb"#token=[\w.~%+-]+")


async def log_batches(
    lines: AsyncIterator[LogLine | None], clock: Callable[[], float], *, first: int = BATCH_LINES
) -> AsyncIterator[bytes]:
    """Yield the lines as server-sent events `logs`, with the number of `skipped` ones before them.

    `first`: lines to begin with, in events of at most BATCH_LINES each.

    The source yields None when there is nothing new.
    """
    kept: deque[LogLine] = deque(maxlen=first)
    taken = full = 0
    due = clock() + BATCH_SECONDS
    written = clock()
    yield b"retry: 1000\n\n"
    async for line in lines:
        if line is not None:
            kept.append(line)
            taken += 1
        now = clock()
        if kept and (line is None or now >= due):
            for event in _events(kept, taken - len(kept)):
                yield event
            full = full + 1 if taken > len(kept) else 0
            kept, taken = deque(maxlen=FLOOD_LINES if full > FLOOD_BATCHES else BATCH_LINES), 0
            due, written = now + BATCH_SECONDS, now
        elif now - written >= KEEP_ALIVE_SECONDS:
            yield b": nothing new\n\n"
            written = now
    for event in _events(kept, taken - len(kept)):
        yield event


def _events(lines: Iterable[LogLine], skipped: int) -> Iterator[bytes]:
    """Yield events; the counts come first, so that a page can pass over an event without reading its records."""
    waiting = iter(lines)
    while part := list(islice(waiting, BATCH_LINES)):
        records = b",".join(without_token(line.text) for line in part)
        head = b'{"skipped":%d,"count":%d,' % (skipped, len(part))
        yield b'event: logs\nid: %b\ndata: %b"records":[%b]}\n\n' % (part[-1].id.encode(), head, records)
        skipped = 0


def without_token(text: bytes) -> bytes:
    """Return a line without the token of a dashboard's URL, which `pywatt dev` logs: it may be handed on."""
    return _TOKEN.sub(b"#token=[hidden]", text) if b"#token=" in text else text
