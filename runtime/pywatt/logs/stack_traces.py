"""Joins the lines of a stack trace, which belong together, into one text (pure).

Known are Python's tracebacks with their chains and groups, the dumps of faulthandler, the panics of Go and the uncaught
errors of Node; Java's stack traces, and those of other languages, by the rule that an indented line continues the one
before it. On standard output, where programs also print tables and lists, only lines of a stack trace do.
"""

from __future__ import annotations

import enum
import re
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
_CLOSERS = (b"}", b"]")
"""Lines that end the properties which Node prints of an error."""
_FRAME = re.compile(rb"[ \t]+(?:at [^ ]|\.{3} \d+ (?:more|common frames)|Suppressed: |\[cause\]: |\[errors\]: )")
"""A line of a stack in Java, Kotlin, Scala, JavaScript or C#."""
_THREAD = b"Exception in thread "
_PANIC = (b"panic: ", b"fatal error: ", b"goroutine ")
_GO_LINE = re.compile(
    rb"(?:[\w.\-/~%*()\[\]{}\xc2\xb7]+\(.*\)|created by .+|goroutine .+:|\[signal .+\]|exit status \d+|panic: .*)$"
)
_NODE_PLACE = re.compile(rb"(?:/|file://|node:)\S*:\d+$")
_NODE_CARETS = re.compile(rb"[ \t]*\^+$")
_NODE_VERSION = b"Node.js v"


_FIRST = frozenset(bytes([byte]) for byte in b" TFCEpfgn/")
"""First bytes of lines that begin another kind of text than an ordinary line."""
_INDENTS = (b" ", b"\t")


class _Part(enum.Enum):
    """The position of a text's last line within it."""

    LINE = "an ordinary line"
    STACK = "a Python stack, which an unindented line ends"
    GROUP = "a tree of Python stacks, every line of which is indented"
    RAISED = "the exception below a Python stack"
    CHAIN = "the sentence between two chained exceptions"
    DUMP = "a dump of threads"
    PANIC = "a panic of Go and the stacks of its goroutines"
    THREAD = "an uncaught exception of Java, whose message may have several lines"
    TRACE = "a text with at least one line of a stack"
    NODE_PLACE = "the place of an uncaught error in Node, which the line of source follows"
    NODE_SOURCE = "the line of source, which carets follow"
    NODE_ERROR = "the uncaught error"
    NODE_END = "the empty line behind it, which the version follows"


def _begins(line: bytes) -> _Part:
    """Return the part of the text that its first line begins."""
    if line[:1] not in _FIRST:
        return _Part.LINE
    if line.startswith(_GROUP):
        return _Part.GROUP
    if line.startswith((_TRACEBACK, _SOURCE_LINE)):
        return _Part.STACK
    if line.startswith(_THREAD):
        return _Part.THREAD
    if line.startswith(_PANIC):
        return _Part.PANIC
    if line.startswith(_DUMPS):
        return _Part.DUMP
    return _Part.NODE_PLACE if line[-1:].isdigit() and _NODE_PLACE.match(line) else _Part.LINE


def _continues(part: _Part, previous: bytes, line: bytes, *, strict: bool) -> _Part | None:
    """Return where the text stands after one more line; None: the line begins another text.

    `strict`: an indented line continues the one before it only if it looks like a line of a stack.
    """
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
        case _Part.PANIC:
            return _Part.PANIC if indented or not line.strip() or _GO_LINE.match(line) else None
        case _Part.THREAD:
            return _Part.TRACE if indented else _Part.THREAD if line.strip() else None
        case _Part.NODE_PLACE:
            return _Part.NODE_SOURCE if line.strip() else None
        case _Part.NODE_SOURCE:
            return _Part.NODE_ERROR if _NODE_CARETS.match(line) else None
        case _Part.NODE_ERROR:
            # An empty line comes before the error, and another one behind it.
            if line.strip():
                return _Part.NODE_ERROR
            return _Part.NODE_ERROR if _NODE_CARETS.match(previous) else _Part.NODE_END
        case _Part.NODE_END:
            return _Part.LINE if line.startswith(_NODE_VERSION) else None
        case _:
            if starts_stack or (line.startswith(_SOURCE_LINE) and part is _Part.LINE):
                return None
            if indented:
                if _FRAME.match(line):
                    return _Part.TRACE
                return part if part is _Part.TRACE or not strict else None
            follows = previous[:1] in _INDENTS and (part is _Part.TRACE or not strict)
            return part if follows and (line.startswith(_CAUSES) or line in _CLOSERS) else None


class TraceJoiner:
    """Takes the lines of one stream and gives them back with those of a stack trace joined."""

    def __init__(self, *, strict: bool = False) -> None:
        """`strict`: for a stream that is not made for errors."""
        self._strict = strict
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
            structured = line[:1] == b"{"
            if self._open and not structured and not self._is_another(line):
                part = _continues(self._part, self._open[-1], line, strict=self._strict)
            if part is None:
                if self._open:
                    done += self.rest()
                part = _begins(line)
                if part is _Part.NODE_PLACE and self._strict:  # Node tells of uncaught errors on standard error
                    part = _Part.LINE
            self._open.append(line)
            self._bytes += len(line)
            self._part = part
            if structured:  # a record is whole, and no part of a trace
                done += self.rest()
        return done

    def _is_another(self, line: bytes) -> bool:
        """Return whether a line begins another text: most lines do, and need no closer look."""
        if len(self._open) >= MAX_LINES or self._bytes >= MAX_BYTES:
            return True
        return self._part is _Part.LINE and line[:1] not in _INDENTS and self._open[-1][:1] not in _INDENTS

    def rest(self) -> list[bytes]:
        """Return the held text, if any."""
        lines, self._open, self._bytes, self._part = self._open, [], 0, _Part.LINE
        if len(lines) == 1:
            return lines
        blank: list[bytes] = []
        while len(lines) > 1 and not lines[-1].strip():
            blank.append(lines.pop())
        return [b"\n".join(lines), *blank] if lines else []
