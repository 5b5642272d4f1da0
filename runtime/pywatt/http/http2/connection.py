"""A client's connection that speaks HTTP/2: leads its frames to streams, and their responses back.

Frames are read in turns of the server's queue, so that one connection with many requests does not hold up others.
Everything is bounded: streams, what waits in each direction, and frames that oblige the server to something.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import H2Error, ProtocolError
from h2.settings import SettingCodes, Settings

from pywatt.http.http2.frame_cutter import MAX_FRAME, Flood, FrameCutter, goaway
from pywatt.http.http2.output import Output
from pywatt.http.http2.request_text import Malformed, check_trailers, request_text
from pywatt.http.http2.server import Http2Server
from pywatt.http.http2.stream import Http2Stream
from pywatt.http.limits import MAX_HELD, RESUME_HELD, WRITE_BUFFER

MAX_STREAMS = 100
"""Streams of one connection at a time."""
STREAM_WINDOW = 128 * 1024
"""Bytes of a request's body that a client may send before they are taken."""
CONNECTION_WINDOW = 1024 * 1024
MAX_HEADER_LIST = 64 * 1024
"""Bytes of header fields, with 32 more for each, above which a connection ends; smaller ones get a response."""
SETTINGS = {
    SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS,
    SettingCodes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
    SettingCodes.MAX_HEADER_LIST_SIZE: MAX_HEADER_LIST,
    SettingCodes.ENABLE_CONNECT_PROTOCOL: 1,
}
_LAST_STREAM = 2**31 - 1
_FAREWELL = b"farewell"
"""The PING whose acknowledgement tells that a client knows of the end, and begins no further stream."""

logger = logging.getLogger("pywatt.http")


class Http2Connection(asyncio.Protocol):
    """The server's side of one connection."""

    def __init__(self, server: Http2Server) -> None:
        self._server = server
        self._transport: asyncio.Transport | None = None
        self._h2 = H2Connection(
            H2Configuration(
                client_side=False,
                header_encoding=None,
                validate_inbound_headers=False,  # `request_text` does it, and resets the stream only
                normalize_inbound_headers=False,
                validate_outbound_headers=False,  # those of our own responses
                normalize_outbound_headers=False,
            )
        )
        self._cutter = FrameCutter()
        self._streams: dict[int, Http2Stream] = {}
        self._output = Output(
            self._h2,
            server.loop,
            flush=self._flush,
            done=self._done,
            failed=self.break_off,
        )
        self._late: dict[int, float] = {}
        """Streams whose response was sent before their request came to its end, with the time of that."""
        self._queued = False
        self._reading_paused = False
        self._partial_since: float | None = None
        self._last_stream = 0
        self._leaving = False
        """True once the client was told that the connection ends."""
        self._refusing = False
        """True once further streams are refused."""
        self._closing_since: float | None = None
        self.since = server.carriers.now
        """The time of the last stream's end."""

    @property
    def transport(self) -> asyncio.Transport:
        """The transport of the client."""
        assert self._transport is not None
        return self._transport

    @property
    def idle(self) -> bool:
        """True when no request is being read or served."""
        return not self._streams

    # For the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = self._transport = cast(asyncio.Transport, transport)  # uvloop's is none, but does all that one does
        made.set_write_buffer_limits(high=WRITE_BUFFER)
        self._server.carriers.add(self)
        self.since = self._server.carriers.now
        self._partial_since = self.since
        h2 = self._h2
        h2.local_settings = Settings(client=False, initial_values=SETTINGS)
        h2.decoder.max_header_list_size = MAX_HEADER_LIST
        h2.initiate_connection()
        h2.increment_flow_control_window(CONNECTION_WINDOW - h2.inbound_flow_control_window)
        self._flush()
        if self._server.draining():
            self.retire()

    def data_received(self, data: bytes) -> None:
        if self._closing_since is not None:
            return
        self._cutter.add(data)
        if self._queued:
            self._steer()
        else:
            self.read_held()

    def eof_received(self) -> bool:
        """Take it as the client's end, as HTTP/1.1 does."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._closing_since = self._closing_since or self._server.carriers.now
        self._lose_all()
        self._server.carriers.discard(self)

    def pause_writing(self) -> None:
        self._output.blocked_since = self._server.carriers.now

    def resume_writing(self) -> None:
        self._output.blocked_since = None
        self._output.schedule()

    # For the queue.

    def read_held(self) -> None:
        """Read one frame, and enter the queue again for the next."""
        self._queued = False
        if self._transport is None or self._closing_since is not None:
            return
        now = self._server.carriers.now
        try:
            frame = self._cutter.take(now)
            if frame:
                for event in self._h2.receive_data(frame):
                    self._handle(event, now)
        except Flood as flood:
            self._end(ErrorCodes.ENHANCE_YOUR_CALM, str(flood))
            return
        except ProtocolError as error:
            logger.debug("HTTP/2: %s", error)
            self._flush()  # a GOAWAY among it
            self._shut()
            return
        self._partial_since = (self._partial_since or now) if self._cutter.partial or not self._cutter.begun else None
        if self._cutter.has_frame and self._closing_since is None:
            self._queued = True
            self._server.fair_queue.add(self)
        self._steer()
        self._output.schedule()

    # For the server.

    def refuse_for_want_of_room(self) -> None:
        """Close a connection for which there is no room."""
        self._server.loop.call_soon(self.abort)

    def retire(self) -> None:
        """Tell the client that the connection ends; serve the requests that are on their way."""
        if self._leaving or self._transport is None or self._closing_since is not None:
            return
        self._leaving = True
        self._goaway(_LAST_STREAM)
        with suppress(H2Error):  # it has ended by an error
            self._h2.ping(_FAREWELL)
        self._flush()

    def close(self) -> None:
        """Close after the current requests, whether the client knows of it or not."""
        if self._transport is None or self._closing_since is not None:
            return
        self._leaving = True
        if not self._refusing:
            self._refusing = True
            self._goaway(self._last_stream)
            self._flush()
        if not self._streams:
            self._shut()

    finish = close

    def abort(self) -> None:
        """Break the connection off."""
        if self._transport is not None:
            self._transport.abort()

    def look_at_time(self, now: float) -> None:
        """Enforce the timeouts."""
        limits = self._server.limits
        unsent = self._transport is not None and self._transport.get_write_buffer_size() > 0
        closing = limits.write if unsent else limits.linger
        if _passed(self._output.blocked_since, now, limits.write) or _passed(self._closing_since, now, closing):
            self.abort()
        elif _passed(self._partial_since, now, limits.head_timeout):
            self._end(ErrorCodes.PROTOCOL_ERROR, "a frame did not come in time")
        elif not self._streams and now - self.since > limits.keep_alive:
            self.close()
        else:
            for number, since in list(self._late.items()):
                if _passed(since, now, limits.linger):
                    self._reset_late(number)
            for stream in list(self._streams.values()):
                if stream.output and stream.stuck_since is None:
                    stream.stuck_since = now
                elif stream.output and _passed(stream.stuck_since, now, limits.write):
                    self._reset(stream, ErrorCodes.CANCEL)

    # For streams.

    def has_output(self, stream: Http2Stream) -> None:
        """Send what the stream has, soon."""
        self._output.add(stream)

    def consumed(self, stream: Http2Stream, size: int) -> None:
        """Let the client send so many bytes more."""
        self._acknowledge(size, stream.id)
        self._output.schedule()

    def break_off(self, stream: Http2Stream) -> None:
        """Reset the stream: its response cannot be completed."""
        self._reset(stream, ErrorCodes.INTERNAL_ERROR)

    # Inside: from the client.

    def _handle(self, event: Event, now: float) -> None:
        match event:
            case RequestReceived():
                self._begin(event, now)
            case DataReceived():
                stream = self._streams.get(event.stream_id)
                if stream is None:
                    self._acknowledge(event.flow_controlled_length, event.stream_id)
                elif not stream.receive(event.data, event.flow_controlled_length):
                    self._acknowledge(event.flow_controlled_length, event.stream_id)
                    self._fault(event.stream_id, now)
            case StreamEnded():
                self._late.pop(event.stream_id, None)
                stream = self._streams.get(event.stream_id)
                if stream is not None and not stream.input_ended and not stream.receive_end():
                    self._fault(event.stream_id, now)
            case TrailersReceived():
                try:
                    check_trailers(event.headers)
                except Malformed:
                    self._fault(event.stream_id, now)
            case StreamReset():
                self._late.pop(event.stream_id, None)
                stream = self._streams.pop(event.stream_id, None)
                if stream is not None:
                    self._forget(stream)
            case WindowUpdated() | RemoteSettingsChanged():
                for stream in self._streams.values():
                    if stream.output and not stream.is_ready:
                        self.has_output(stream)
            case PingAckReceived() if event.ping_data == _FAREWELL:
                self.close()
            case ConnectionTerminated():
                self._leaving = self._refusing = True
                if not self._streams:
                    self._shut()

    def _begin(self, event: RequestReceived, now: float) -> None:
        number, ended = event.stream_id, event.stream_ended is not None
        if self._refusing:
            self._h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        self._last_stream = number
        try:
            request = request_text(event.headers, ended=ended)
        except Malformed as error:
            logger.debug("HTTP/2: %s", error)
            self._fault(number, now)
            return
        stream = self._streams[number] = Http2Stream(number, request, self)
        stream.begin(self._server.accept(), ended=ended)

    def _fault(self, number: int, now: float) -> None:
        """Reset a stream that is in error. Raises Flood."""
        stream = self._streams.get(number)
        if stream is not None:
            self._reset(stream, ErrorCodes.PROTOCOL_ERROR)
        else:
            with suppress(H2Error):
                self._h2.reset_stream(number, ErrorCodes.PROTOCOL_ERROR)
        self._cutter.note_refused(now)

    def _acknowledge(self, size: int, number: int) -> None:
        with suppress(H2Error):
            self._h2.acknowledge_received_data(size, number)

    # Inside: to the client.

    def _done(self, stream: Http2Stream) -> None:
        """Forget a stream whose response was sent.

        The rest of its request is discarded for a while: some clients lose the response when the stream is reset.
        """
        self._streams.pop(stream.id, None)
        if not stream.input_ended:
            self._late[stream.id] = self._server.carriers.now
        self._forget(stream)

    def _reset(self, stream: Http2Stream, code: ErrorCodes) -> None:
        self._streams.pop(stream.id, None)
        with suppress(H2Error):
            self._h2.reset_stream(stream.id, code)
        self._forget(stream)
        self._output.schedule()

    def _reset_late(self, number: int) -> None:
        del self._late[number]
        with suppress(H2Error):
            self._h2.reset_stream(number, ErrorCodes.NO_ERROR)
        self._output.schedule()

    def _forget(self, stream: Http2Stream) -> None:
        self.since = self._server.carriers.now
        stream.is_gone = True
        stream.output.clear()
        self._server.loop.call_soon(stream.lose)
        if not self._streams and self._refusing:
            self._server.loop.call_soon(self._shut)

    def _lose_all(self) -> None:
        self._output.clear()
        while self._streams:
            self._streams.popitem()[1].lose()

    def _goaway(self, last_stream: int, code: ErrorCodes = ErrorCodes.NO_ERROR, why: str = "") -> None:
        # Not by h2, which takes nothing any more after that.
        self._flush()
        if self._transport is not None:
            self._transport.write(goaway(last_stream, code, why))

    def _end(self, code: ErrorCodes, why: str) -> None:
        """Tell the client of its fault, and close."""
        logger.debug("HTTP/2: %s", why)
        self._goaway(self._last_stream, code, why)
        self._shut()

    def _shut(self) -> None:
        """Close once everything was sent."""
        if self._transport is None or self._closing_since is not None:
            return
        self._flush()
        self._closing_since = self._server.carriers.now
        self._server.loop.call_soon(self._lose_all)
        self._transport.close()

    def _flush(self) -> None:
        data = self._h2.data_to_send()
        if data and self._transport is not None and self._closing_since is None:
            self._transport.write(data)

    def _steer(self) -> None:
        """Read from the client, or not."""
        if self._transport is None or self._closing_since is not None:
            return
        pause = len(self._cutter) > (RESUME_HELD + MAX_FRAME if self._reading_paused else MAX_HELD)
        if pause is not self._reading_paused:
            self._reading_paused = pause
            if pause:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()


def _passed(since: float | None, now: float, limit: float) -> bool:
    return since is not None and now - since > limit
