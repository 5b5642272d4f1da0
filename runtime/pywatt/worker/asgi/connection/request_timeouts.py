"""Time limits of a connection: sending a request, reading a response, being idle."""

from __future__ import annotations

import enum

from pywatt.http.limits import ConnectionLimits
from pywatt.http.request_error import RequestError


class _Part(enum.Enum):
    """The part of a request that is on its way."""

    NOTHING = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()


class Arrival:
    """Measures how a request comes in. Its owner looks at it about once a second."""

    __slots__ = ("_begun", "_last", "_limits", "_looked", "_part", "_size")

    def __init__(self, limits: ConnectionLimits) -> None:
        self._limits = limits
        self._part = _Part.NOTHING
        self._begun = self._last = self._looked = 0.0
        self._size = 0

    @property
    def going_on(self) -> bool:
        """Return whether a request has begun to come, and is not complete."""
        return self._part is not _Part.NOTHING

    @property
    def in_body(self) -> bool:
        """Return whether a request has been begun, and its body is not complete."""
        return self._part is _Part.BODY

    def head_goes_on(self, now: float) -> None:
        """Note that a part of a head has come."""
        if self._part is not _Part.HEAD:
            self._part = _Part.HEAD
            self._begun = now

    def body_goes_on(self, now: float, size: int) -> None:
        """Note that bytes of a body have come, or that it is still to come."""
        if self._part is not _Part.BODY:
            self._part = _Part.BODY
            self._begun = self._looked = now
            self._size = 0
        self._size += size
        self._last = now

    def ended(self) -> None:
        """Note that the request is complete."""
        self._part = _Part.NOTHING

    def check(self, now: float, *, read: bool, answering: bool) -> None:
        """Raise RequestError when it takes too long.

        `read`: False while the connection is not read, which is not the client's fault. `answering`: the answer has
        begun, and is not complete.
        """
        limits = self._limits
        if self._part is _Part.HEAD:
            if now - self._begun > limits.head_timeout:
                raise RequestError(408, "the head of the request did not come in time")
        elif self._part is _Part.BODY:
            if not read:
                self._begun += now - self._looked
                self._last = now
            self._looked = now
            late = now - self._last > limits.body_timeout
            slow = not answering and now - self._begun > limits.body_timeout + self._size / limits.body_rate
            if late or slow:
                raise RequestError(408, "the body of the request did not come in time")
