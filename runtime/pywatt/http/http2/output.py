"""Sends the responses of all streams of a connection: one frame of each in turn, as far as its client takes them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable

from h2.connection import H2Connection
from h2.exceptions import H2Error

from pywatt.http.http2.stream import Http2Stream
from pywatt.http.limits import WRITE_BUFFER

logger = logging.getLogger("pywatt.http")


class Output:
    """The streams with something to send."""

    def __init__(
        self,
        h2: H2Connection,
        loop: asyncio.AbstractEventLoop,
        *,
        flush: Callable[[], None],
        done: Callable[[Http2Stream], None],
        failed: Callable[[Http2Stream], None],
    ) -> None:
        """`flush`: writes what h2 has to send. `done`: called when a response was sent, `failed`: when it cannot be."""
        self.blocked_since: float | None = None
        """The time since which the kernel takes nothing more."""
        self._h2 = h2
        self._loop = loop
        self._flush = flush
        self._done = done
        self._failed = failed
        self._ready: deque[Http2Stream] = deque()
        self._scheduled = False

    def add(self, stream: Http2Stream) -> None:
        """Put a stream in line."""
        if not stream.is_ready:
            stream.is_ready = True
            self._ready.append(stream)
        self.schedule()

    def schedule(self) -> None:
        """Send in the next turn of the event loop: what all streams have until then leaves at once."""
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._pump)

    def clear(self) -> None:
        """Send nothing more."""
        self._ready.clear()

    def _pump(self) -> None:
        self._scheduled = False
        ready, budget = self._ready, WRITE_BUFFER
        while ready and self.blocked_since is None and budget > 0:
            stream = ready.popleft()
            stream.is_ready = False
            if stream.is_gone:
                continue
            try:
                sent = self._send_some(stream)
            except (H2Error, ValueError, KeyError) as error:
                logger.warning("HTTP/2: a response cannot be sent: %s", error)
                self._failed(stream)
                continue
            budget -= sent
            if sent and stream.output and not stream.is_gone:
                stream.is_ready = True
                ready.append(stream)
        self._flush()
        if ready and self.blocked_since is None:
            self.schedule()

    def _send_some(self, stream: Http2Stream) -> int:
        """Send heads and one frame of the body; return the bytes of the latter. Raises H2Error."""
        h2 = self._h2
        while stream.heads:
            status, headers = stream.heads.pop(0)
            ends = status >= 200 and stream.output_ended and not stream.output
            h2.send_headers(stream.id, [(b":status", b"%d" % status), *headers], end_stream=ends)
            if ends:
                self._done(stream)
                return 0
        if stream.output:
            size = min(len(stream.output), h2.local_flow_control_window(stream.id), h2.max_outbound_frame_size)
            if size <= 0:
                return 0  # a larger window puts it in line again
            ends = stream.output_ended and size == len(stream.output)
            h2.send_data(stream.id, bytes(stream.output[:size]), end_stream=ends)
            stream.sent(size)
            if ends:
                self._done(stream)
            return size
        if stream.output_ended:
            h2.end_stream(stream.id)
            self._done(stream)
        return 0
