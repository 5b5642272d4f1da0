"""Cuts received bytes into frames, and holds their sender to limits that the protocol does not have (pure)."""

from __future__ import annotations

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADER_SIZE = 9
MAX_FRAME = 16 * 1024
"""Payload of a frame; the smallest limit that the protocol allows."""
MAX_BLOCK = 64 * 1024
"""Bytes of a block of header fields in HEADERS and CONTINUATION frames."""
MAX_CONTINUATIONS = 16
"""CONTINUATION frames of one block."""
CONTROL_BURST, CONTROL_RATE = 500, 50
"""Frames that oblige the server to something and carry nothing: at once, and per second."""
RESET_BURST, RESET_RATE = 200, 20
"""Streams that a client may end before their response: at once, and per second."""
_DATA, _HEADERS, _PRIORITY, _RESET, _SETTINGS, _PUSH, _PING, _GOAWAY, _WINDOW, _CONTINUATION = range(10)
_END_STREAM, _END_HEADERS, _ACK = 0x1, 0x4, 0x1


def goaway(last_stream: int, code: int, why: str = "") -> bytes:
    """Return a frame that tells the end of a connection (RFC 9113 6.8)."""
    payload = last_stream.to_bytes(4, "big") + code.to_bytes(4, "big") + why.encode()
    return len(payload).to_bytes(3, "big") + bytes((_GOAWAY, 0, 0, 0, 0, 0)) + payload


class Flood(Exception):
    """The sender is to be told ENHANCE_YOUR_CALM."""


class Budget:
    """A bucket of tokens."""

    __slots__ = ("_burst", "_left", "_rate", "_since")

    def __init__(self, burst: float, rate: float) -> None:
        """`rate`: tokens per second that come back."""
        self._burst = self._left = burst
        self._rate = rate
        self._since = 0.0

    def spend(self, now: float) -> bool:
        """Take a token; False when there is none."""
        self._left = min(self._burst, self._left + max(now - self._since, 0.0) * self._rate)
        self._since = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


class FrameCutter:
    """The bytes of one connection that are not read yet."""

    __slots__ = ("_block", "_continuations", "_control", "_held", "_is_open", "_resets", "begun")

    def __init__(self) -> None:
        self._held = bytearray()
        self._control = Budget(CONTROL_BURST, CONTROL_RATE)
        self._resets = Budget(RESET_BURST, RESET_RATE)
        self._is_open = False
        self._block = 0
        self._continuations = 0
        self.begun = False
        """True once the preface came."""

    def __len__(self) -> int:
        return len(self._held)

    @property
    def partial(self) -> bool:
        """True while a frame, or a block of header fields, is not complete."""
        return bool(self._held) or self._is_open

    def add(self, data: bytes) -> None:
        """Hold more bytes."""
        self._held += data

    @property
    def has_frame(self) -> bool:
        """True when `take` returns something."""
        held = self._held
        if not self.begun:
            return len(held) >= len(PREFACE) or not PREFACE.startswith(held)
        return len(held) >= HEADER_SIZE and (self._length > MAX_FRAME or len(held) >= HEADER_SIZE + self._length)

    def take(self, now: float) -> bytes:
        """Return the next frame, or the preface; nothing while it is not complete. Raises Flood.

        One that is too large comes as far as it is there: its header is reason enough to refuse it.
        """
        if not self.has_frame:
            return b""
        held = self._held
        if not self.begun:
            self.begun = True
            size = len(PREFACE)
        elif self._length > MAX_FRAME:
            size = len(held)
        else:
            size = HEADER_SIZE + self._length
            self._count(held[3], held[4], self._length, now)
        frame = bytes(held[:size])
        del held[:size]
        return frame

    def note_refused(self, now: float) -> None:
        """Count a stream that had to be reset since its client has made a mistake. Raises Flood."""
        if not self._resets.spend(now):
            raise Flood("too many streams were in error")

    @property
    def _length(self) -> int:
        held = self._held
        return held[0] << 16 | held[1] << 8 | held[2]

    def _count(self, kind: int, flags: int, length: int, now: float) -> None:
        if kind in (_HEADERS, _CONTINUATION):
            if kind == _HEADERS:
                self._block, self._continuations = length, 0
            else:
                self._block += length
                self._continuations += 1
            self._is_open = not flags & _END_HEADERS
            if self._block > MAX_BLOCK or self._continuations > MAX_CONTINUATIONS:
                raise Flood("a block of header fields is too long")
        elif kind == _RESET:
            if not self._resets.spend(now):
                raise Flood("too many streams were reset")
        elif kind == _WINDOW or (kind == _DATA and (length or flags & _END_STREAM)):
            return  # needed for each piece of a body; their cost is shared out by the queue
        elif not self._control.spend(now):
            raise Flood("too many frames without content")
