"""Joins the lines of a stack trace, which belong together, into one text (pure).

Known are Python's tracebacks with their chains and groups, the dumps of faulthandler, and, for other languages, the
rule that an indented line continues the one before it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

MAX_LINES = 1000
"""A longer text is cut, so that a program which prints nothing but indented lines is not held back for ever."""
MAX_BYTES = 256 * 1024

_TRACEBACK = b"Traceback (most recent call last):"
_GROUP = b"  + Exception Group Traceback (most recent call last):"
_SOURCE_LINE = b'  File "'
_CHAINS = (b"During handling of the above exception", b"The above exception was the direct cause")
_DUMPS = (b"Fatal Python error", b"Thread 0x", b"Current thread 0x", b"Extension modules:")
_CAUSES = (b"Caused by:",)


class _Part(enum.Enum):
    """The position of a text's last line within it."""

    LINE = "an ordinary line"
    STACK = "a Python stack, which an unindented line ends"
    GROUP = "a tree of Python stacks, every line of which is indented"
    RAISED = "the exception below a Python stack"
    CHAIN = "the sentence between two chained exceptions"
    DUMP = "a dump of threads"


def _begins(line: bytes) -> _Part:
    """Return the part of the text that its first line begins."""
    if line.startswith(_GROUP):
        return _Part.GROUP
    if line.startswith((_TRACEBACK, _SOURCE_LINE)):
        return _Part.STACK
    return _Part.DUMP if line.startswith(_DUMPS) else _Part.LINE


def _continues(part: _Part, previous: bytes, line: bytes) -> _Part | None:
    """Return where the text stands after one more line; None: the line begins another text."""
    indented = line[:1] in (b" ", b"\t") and not line.isspace()
    starts_stack = line.startswith((_TRACEBACK, _GROUP))
    match part:
        case _Part.STACK:
            if not line.strip():
                return None
            return _Part.STACK if indented else _Part.RAISED
        case _Part.GROUP if indented:
            return _Part.GROUP
        case _Part.RAISED | _Part.GROUP if not line.strip():
            return _Part.RAISED
        case _Part.RAISED if not previous.strip():
            return _Part.CHAIN if line.lstrip(b" |").startswith(_CHAINS) else None
        case _Part.CHAIN:
            return _begins(line) if starts_stack else _Part.CHAIN if not line.strip() else None
        case _Part.DUMP:
            return _Part.DUMP if indented or not line.strip() or line.startswith(_DUMPS) else None
        case _:
            if starts_stack or (line.startswith(_SOURCE_LINE) and part is _Part.LINE):
                return None
            if indented or (line.startswith(_CAUSES) and previous[:1] in (b" ", b"\t")):
                return part
            return None


class TraceJoiner:
    """Takes the lines of one stream and gives them back with those of a stack trace joined."""

    def __init__(self) -> None:
        self._open: list[bytes] = []
        self._bytes = 0
        self._part = _Part.LINE

    @property
    def pending(self) -> bool:
        """Return whether a text is held back because the next line may belong to it."""
        return bool(self._open)

    def feed(self, lines: Iterable[bytes]) -> list[bytes]:
        """Return the texts that are complete now; a last one is held back until the next line or `rest`."""
        done: list[bytes] = []
        for raw in lines:
            line = raw.rstrip(b"\r")
            part = None
            structured = line.startswith(b"{")
            if not structured and self._open and len(self._open) < MAX_LINES and self._bytes < MAX_BYTES:
                part = _continues(self._part, self._open[-1], line)
            if part is None:
                done += self.rest()
                part = _begins(line)
            self._open.append(line)
            self._bytes += len(line)
            self._part = part
            if structured:  # a record is whole, and no part of a trace
                done += self.rest()
        return done

    def rest(self) -> list[bytes]:
        """Return the held text, if any."""
        lines, self._open, self._bytes, self._part = self._open, [], 0, _Part.LINE
        blank: list[bytes] = []
        while len(lines) > 1 and not lines[-1].strip():
            blank.append(lines.pop())
        return [b"\n".join(lines), *blank] if lines else []
