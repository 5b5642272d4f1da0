"""A client of HTTP/2 on a raw socket: well-behaved by h2, or with frames written by hand."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    DataReceived,
    InformationalResponseReceived,
    PingAckReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

PATIENCE = 20.0
GOAWAY = 7
Fields = Sequence[tuple[str, str]]


@dataclass
class Response:
    """Everything that came on one stream."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    informational: list[int] = field(default_factory=list)
    body: bytes = b""
    ended: bool = False
    reset: int | None = None


class Http2Client:
    """One connection."""

    def __init__(self, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        self.h2 = H2Connection(
            H2Configuration(
                client_side=True,
                header_encoding="utf-8",
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.responses: dict[int, Response] = {}
        self.goaways: list[int] = []
        """Error codes."""
        self.closed = False
        self.takes = True
        """False: the windows of responses are not opened again."""
        self._held = b""
        self._pinged = False
        self.h2.initiate_connection()
        self.flush()

    def flush(self) -> None:
        """Send what h2 has to send."""
        self.send(self.h2.data_to_send())

    def send(self, data: bytes) -> None:
        """Send bytes; a server that has closed is noted."""
        try:
            self.sock.sendall(data)
        except OSError:
            self.closed = True

    def request(
        self,
        method: str,
        path: str,
        *fields: tuple[str, str],
        body: bytes | None = None,
        ended: bool = True,
        **pseudo: str,
    ) -> int:
        """Send a request, and as much of its body as the windows allow now; return the stream."""
        stream = self.h2.get_next_available_stream_id()
        parts = {":method": method, ":scheme": "https", ":authority": "a", ":path": path}
        parts.update({f":{name}": value for name, value in pseudo.items()})
        self.h2.send_headers(stream, [*parts.items(), *fields], end_stream=body is None and ended)
        self.responses[stream] = Response()
        self.flush()
        if body is not None:
            self.upload(stream, body, ended=ended)
        return stream

    def upload(self, stream: int, body: bytes, *, ended: bool = True) -> None:
        """Send a body, reading as often as the windows are used up; stop when the stream is reset."""
        response = self.responses[stream]
        while body and response.reset is None and not response.ended and not self.closed:
            size = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size, len(body))
            if size:
                self.h2.send_data(stream, body[:size], end_stream=ended and size == len(body))
                body = body[size:]
                self.flush()
            else:
                self.receive()

    def receive(self) -> bool:
        """Read once; False at the end of the connection."""
        try:
            data = self.sock.recv(65536)
        except OSError:
            data = b""
        if not data:
            self.closed = True
            return False
        for event in self.h2.receive_data(self._without_goaways(data)):
            self._note(event)
        self.flush()
        return True

    def _without_goaways(self, data: bytes) -> bytes:
        """Return whole frames but for GOAWAY, after which h2 would do nothing for the streams that are left."""
        self._held += data
        kept = b""
        while len(self._held) >= 9 and len(self._held) >= (size := 9 + int.from_bytes(self._held[:3], "big")):
            frame, self._held = self._held[:size], self._held[size:]
            if frame[3] == GOAWAY:
                self.goaways.append(int.from_bytes(frame[13:17], "big"))
            else:
                kept += frame
        return kept

    def response(self, stream: int) -> Response:
        """Wait for a response to its end."""
        found = self.responses[stream]
        while not found.ended and found.reset is None and self.receive():
            pass
        return found

    def get(self, path: str, *fields: tuple[str, str]) -> Response:
        """Send a GET and wait for its response."""
        return self.response(self.request("GET", path, *fields))

    def ping(self) -> None:
        """Send what h2 has to send, and wait until the server has read it."""
        self._pinged = False
        self.h2.ping(b"12345678")
        self.flush()
        while not self._pinged and self.receive():
            pass

    def wait_for_end(self) -> None:
        """Read until the server closes."""
        while self.receive():
            pass

    def _note(self, event: Any) -> None:
        if isinstance(event, PingAckReceived):
            self._pinged = True
        response = self.responses.get(getattr(event, "stream_id", 0) or 0)
        if response is None:
            return
        if isinstance(event, InformationalResponseReceived):
            response.informational.append(int(_texts(event.headers)[":status"]))
        elif isinstance(event, ResponseReceived):
            response.headers = _texts(event.headers)
            response.status = int(response.headers[":status"])
        elif isinstance(event, DataReceived):
            response.body += event.data
            if self.takes:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            response.ended = True
        elif isinstance(event, StreamReset):
            response.reset = int(event.error_code or 0)


def _texts(headers: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers}


@contextmanager
def http2_socket(port: int, ca: str) -> Iterator[ssl.SSLSocket]:
    """Open a connection that has agreed on HTTP/2."""
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as sock,
    ):
        assert sock.selected_alpn_protocol() == "h2"
        yield sock


@contextmanager
def http2_client(port: int, ca: str) -> Iterator[Http2Client]:
    """Open a connection of a well-behaved client."""
    with http2_socket(port, ca) as sock:
        yield Http2Client(sock)
