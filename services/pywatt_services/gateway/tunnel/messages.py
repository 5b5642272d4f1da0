"""Follows the messages of one direction of a WebSocket (RFC 6455 section 5), and can take control frames out."""

from __future__ import annotations

from collections.abc import Callable

from pywatt_services.gateway.tunnel.frames import FRAMES

CLOSE, PING, PONG = 0x8, 0x9, 0xA
_FIN = 0x80
_MASKED = 0x80
_LENGTH = 0x7F
_OPCODE = 0x0F
_CONTROL = 0x08
_LONGEST_CONTROL = 125


class MessageCursor:
    """The position in the messages of a direction; control frames are held until they are whole."""

    __slots__ = ("_control", "_head", "_left", "_open", "closed")

    def __init__(self, control: Callable[[int, bytes], bool]) -> None:
        """`control` takes the opcode and the payload of a control frame; what it returns tells if that is passed on."""
        self._control = control
        self._head = b""
        """The bytes so far of a frame's head, or of a control frame."""
        self._left = 0
        """Bytes of a data frame's payload that have not come."""
        self._open = False
        """True within a message of several frames."""
        self.closed = False
        """True after a close frame."""

    @property
    def between(self) -> bool:
        """True when the bytes so far end with a message's end."""
        return not (self._left or self._head or self._open)

    @property
    def between_frames(self) -> bool:
        """True when the bytes so far end with a frame's end."""
        return not (self._left or self._head)

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Follow these bytes, but not more than FRAMES frames.

        Return the bytes to pass on, and those that were not followed yet.
        """
        passed: list[bytes] = []
        position, size, frames = 0, len(data), 0
        while position < size and frames < FRAMES:
            if self._left:
                step = min(self._left, size - position)
                passed.append(data[position : position + step])
                self._left -= step
                position += step
                continue
            head = self._head + data[position : position + _size(self._head) - len(self._head)]
            position += len(head) - len(self._head)
            self._head = head
            if len(head) < _size(head):
                continue
            self._head = b""
            frames += 1
            self._take(head, passed)
        return b"".join(passed), data[position:]

    def _take(self, head: bytes, passed: list[bytes]) -> None:
        opcode = head[0] & _OPCODE
        if opcode & _CONTROL and head[1] & _LENGTH <= _LONGEST_CONTROL:
            if opcode == CLOSE:
                self.closed = True
            length = head[1] & _LENGTH
            if self._control(opcode, head[len(head) - length :] if length else b""):
                passed.append(head)
            return
        self._left = _payload(head)
        if not opcode & _CONTROL:
            self._open = not head[0] & _FIN
        passed.append(head)


def ping(payload: bytes) -> bytes:
    """Return a ping as a client sends it; a mask of zeros hides nothing, and nothing here has to be hidden."""
    return bytes((_FIN | PING, _MASKED | len(payload))) + b"\0\0\0\0" + payload


def _size(head: bytes) -> int:
    """Return the size of a frame's head, of a control frame with its payload; or of what tells it."""
    if len(head) < 2:
        return 2
    length = head[1] & _LENGTH
    size = 2 + {126: 2, 127: 8}.get(length, 0) + (4 if head[1] & _MASKED else 0)
    return size + length if head[0] & _CONTROL and length <= _LONGEST_CONTROL else size


def _payload(head: bytes) -> int:
    length = head[1] & _LENGTH
    if length <= _LONGEST_CONTROL:
        return length
    return int.from_bytes(head[2 : 4 if length == 126 else 10])
