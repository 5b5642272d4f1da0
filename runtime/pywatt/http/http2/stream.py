"""One stream: a request and its response, as a connection of its own to the server's protocol of HTTP/1.1.

To the protocol this is the transport of a client that sends one request and reads one response. So routes, policies,
metrics, limits and tunnels are those of HTTP/1.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any, Protocol

from pywatt.http.headers import LAST_CHUNK, Header, chunk
from pywatt.http.http2.request_text import RequestText
from pywatt.http.http2.response_parts import SWITCHING_PROTOCOLS, ResponseParts
from pywatt.http.request_error import RequestError

HIGH_WATER = 64 * 1024
"""Bytes of a response that wait for the client above which the server has to wait."""
LOW_WATER = 16 * 1024
HTTP_2 = "2"


class Connection(Protocol):
    """The connection that carries a stream."""

    @property
    def transport(self) -> asyncio.Transport:
        """The transport of the client."""
        ...

    def has_output(self, stream: Http2Stream) -> None:
        """Send what the stream has, soon."""
        ...

    def consumed(self, stream: Http2Stream, size: int) -> None:
        """Let the client send so many bytes more."""
        ...

    def break_off(self, stream: Http2Stream) -> None:
        """Reset the stream: its response cannot be completed."""
        ...


class Http2Stream(asyncio.Transport):
    """The transport that the server's protocol sees."""

    def __init__(self, stream_id: int, request: RequestText, connection: Connection) -> None:
        super().__init__()
        self.id = stream_id
        self.request = request
        self.heads: list[tuple[int, list[Header]]] = []
        """Heads that are to be sent: informational ones, and the final one."""
        self.output = bytearray()
        self.output_ended = False
        self.input_ended = False
        """True once the client has sent all."""
        self.is_ready = False
        """True while it is in line to send its output."""
        self.is_gone = False
        """True once nothing more is sent."""
        self.stuck_since: float | None = None
        """The time since which the client takes nothing of the output."""
        self._connection = connection
        self._protocol: asyncio.BaseProtocol | None = None
        self._parts = ResponseParts(self, to_head=request.method == b"HEAD")
        self._received = 0
        self._paused = False
        self._waiting: list[tuple[bytes, int]] = []
        """Input that came while the protocol took none, with what it counts for the client's window."""
        self._is_tunnel = False
        self._writing_paused = False
        self._closed = False
        self._high, self._low = HIGH_WATER, LOW_WATER

    # For the connection.

    def begin(self, protocol: asyncio.Protocol, *, ended: bool) -> None:
        """Hand the request to the server. `ended`: it has no body."""
        self.input_ended = ended
        self._protocol = protocol
        protocol.connection_made(self)
        if not self._closed:
            protocol.data_received(self.request.head)

    def receive(self, data: bytes, counted: int) -> bool:
        """Take a piece of the body, or of the tunnel; False: it is longer than was announced."""
        self._received += len(data)
        if self.request.length is not None and self._received > self.request.length:
            return False
        framed = chunk(data) if data and self.request.chunked else data
        if self._paused or self._waiting:
            self._waiting.append((framed, counted))
        else:
            self._deliver(framed, counted)
        return True

    def receive_end(self) -> bool:
        """Note the end of the body, or of the client's side of the tunnel; False: it is shorter than was announced."""
        self.input_ended = True
        if self.request.length is not None and self._received != self.request.length:
            return False
        if self.request.chunked:
            self._waiting.append((LAST_CHUNK, 0))
        elif self.request.websocket:
            self._waiting.append((b"", 0))
        if not self._paused:
            self._deliver_waiting()
        return True

    def sent(self, size: int) -> None:
        """Take bytes off the output that were sent."""
        del self.output[:size]
        self.stuck_since = None
        if self._writing_paused and len(self.output) <= self._low and not self._closed:
            self._writing_paused = False
            if self._protocol is not None:
                self._protocol.resume_writing()

    def lose(self) -> None:
        """Tell the protocol that the client is gone, or has all of its response."""
        self._closed = True
        self.output_ended = True
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.connection_lost(None)

    # The parts of the response.

    def on_head(self, status: int, headers: list[Header]) -> None:
        if status == SWITCHING_PROTOCOLS:
            self._is_tunnel = True
            status = 200
        self.heads.append((status, headers))

    def on_piece(self, data: bytes) -> None:
        self.output += data

    def on_end(self) -> None:
        self.output_ended = True

    # The transport that the protocol sees.

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        """Take more of the response."""
        if self._closed:
            return
        try:
            self._parts.feed(bytes(data))
        except (ValueError, RequestError):
            self.abort()
            return
        if self.output_ended:
            # The protocol is in the middle of its work.
            asyncio.get_running_loop().call_soon(self.lose)
        elif len(self.output) > self._high and not self._writing_paused and self._protocol is not None:
            self._writing_paused = True
            self._protocol.pause_writing()
        self._connection.has_output(self)

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview[Any]]) -> None:
        """Take more of the response."""
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """End the response; reset the stream if it is incomplete."""
        if self._closed:
            return
        if not self._parts.close():
            self.abort()
            return
        self._closed = True
        asyncio.get_running_loop().call_soon(self.lose)
        self._connection.has_output(self)

    def abort(self) -> None:
        """Reset the stream."""
        if not self._closed or not self.output_ended:
            self._closed = True
            asyncio.get_running_loop().call_soon(self.lose)
            self._connection.break_off(self)

    def is_closing(self) -> bool:
        """Tell whether nothing more is taken."""
        return self._closed

    def write_eof(self) -> None:
        """End the response."""
        self.close()

    def can_write_eof(self) -> bool:
        """Return True: the end of a stream's output is told."""
        return True

    def pause_reading(self) -> None:
        """Take nothing more in."""
        self._paused = True

    def resume_reading(self) -> None:
        """Take more in."""
        self._paused = False
        self._deliver_waiting()

    def is_reading(self) -> bool:
        """Tell whether input is taken."""
        return not self._paused and not self._closed

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Keep the limits of this module: there may be many streams."""

    def get_write_buffer_size(self) -> int:
        """Return the number of bytes that the client has not taken."""
        return len(self.output)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return facts about the client's connection; `http_version`: the version that it speaks."""
        return HTTP_2 if name == "http_version" else self._connection.transport.get_extra_info(name, default)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Replace the protocol."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Return the protocol."""
        assert self._protocol is not None
        return self._protocol

    # Inside.

    def _deliver_waiting(self) -> None:
        while self._waiting and not self._paused:
            data, counted = self._waiting.pop(0)
            self._deliver(data, counted)

    def _deliver(self, data: bytes, counted: int) -> None:
        protocol = self._protocol
        if protocol is not None:
            if isinstance(protocol, asyncio.BufferedProtocol):
                protocol.get_buffer(len(data))
                protocol.buffer_updated(len(data))  # of one that discards all
            elif isinstance(protocol, asyncio.Protocol):
                if data:
                    protocol.data_received(data)
                elif self.request.websocket and self.input_ended and not counted:
                    protocol.eof_received()
        if counted:
            self._connection.consumed(self, counted)
