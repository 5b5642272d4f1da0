"""Sends a stored response: a small one at once, a large one as fast as the client takes it."""

from __future__ import annotations

from collections.abc import Callable

from pywatt.http.response_reader import ResponseHead
from pywatt.http.server.fair_queue import FairQueue

PIECE = 64 * 1024
AT_ONCE = 2 * PIECE


class CachedBody:
    """The body of one response."""

    def __init__(
        self,
        on_response: Callable[[ResponseHead, bytes, bool], None],
        on_body: Callable[[bytes, bool], None],
        wanted: Callable[[], bool],
        fair_queue: FairQueue,
    ) -> None:
        """`wanted`: tells whether the client still takes it."""
        self._on_response = on_response
        self._on_body = on_body
        self._wanted = wanted
        self._fair_queue = fair_queue
        self._rest = memoryview(b"")
        self._slow = False
        self._queued = False

    def send(self, head: ResponseHead, body: bytes, *, at_once: bool = True) -> None:
        """Begin. `at_once`: a small body and its end come with the head."""
        if at_once and len(body) <= AT_ONCE:
            self._on_response(head, body, True)
            return
        self._rest = memoryview(body)[PIECE:]
        self._on_response(head, body[:PIECE], False)
        if self._rest:
            self._get_in_line()
        else:
            self._on_body(b"", True)

    def steer(self, *, slow: bool) -> None:
        """Wait for the client, or go on."""
        self._slow = slow
        self._get_in_line()

    def drop(self) -> None:
        """Send nothing more."""
        self._rest = memoryview(b"")

    def read_held(self) -> None:
        """Send the next piece."""
        self._queued = False
        if not self._rest or not self._wanted():
            self.drop()
            return
        piece, self._rest = bytes(self._rest[:PIECE]), self._rest[PIECE:]
        self._on_body(piece, not self._rest)
        self._get_in_line()

    def _get_in_line(self) -> None:
        if self._rest and not self._slow and not self._queued:
            self._queued = True
            self._fair_queue.add(self)
