"""Follows the frames of a WebSocket that pass through, to know where one ends (RFC 6455 section 5.2)."""

from __future__ import annotations

CLOSE_SERVICE_RESTART = b"\x88\x02\x03\xf4"
"""A close frame from a server, with the code 1012: the client should connect again."""
FRAMES = 256
"""Frames that are followed in one go: other clients may be waiting while a service sends tiny ones."""
_MASKED = 0x80
_LENGTH = 0x7F
_LENGTH_BYTES = {126: 2, 127: 8}
_MASK_BYTES = 4


class FrameCursor:
    """The position of one direction of a WebSocket in its frames."""

    __slots__ = ("_head", "_left")

    def __init__(self) -> None:
        self._head = b""
        """The part of the current frame's head that has come, while the head is not complete."""
        self._left = 0
        """Bytes of the current frame's payload that have not come."""

    @property
    def between(self) -> bool:
        """True when the bytes so far end with a frame's end."""
        return not self._left and not self._head

    def feed(self, data: bytes) -> tuple[int, int | None]:
        """Follow these bytes, but not more than FRAMES frames.

        Return how many bytes were followed, and how many of them lead to the first end of a frame; None when there is
        none.
        """
        first: int | None = None
        position, size, frames = 0, len(data), 0
        while position < size and frames < FRAMES:
            if self._left:
                step = min(self._left, size - position)
                self._left -= step
                position += step
            else:
                position = self._feed_head(data, position)
            if self.between:
                frames += 1
                if first is None:
                    first = position
        return position, first

    def _feed_head(self, data: bytes, position: int) -> int:
        """Take one more part of the head, and return the position behind it."""
        need = self._head_size(self._head)
        step = min(need - len(self._head), len(data) - position)
        head = self._head + data[position : position + step]
        if len(head) == self._head_size(head):
            self._left = _payload(head)
            head = b""
        self._head = head
        return position + step

    def _head_size(self, head: bytes) -> int:
        """Return how long the head is, or how much of it has to be known to tell."""
        if len(head) < 2:
            return 2
        return 2 + _LENGTH_BYTES.get(head[1] & _LENGTH, 0) + (_MASK_BYTES if head[1] & _MASKED else 0)


def _payload(head: bytes) -> int:
    length = head[1] & _LENGTH
    extended = _LENGTH_BYTES.get(length)
    return length if extended is None else int.from_bytes(head[2 : 2 + extended])
