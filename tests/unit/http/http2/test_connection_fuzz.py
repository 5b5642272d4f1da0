"""Any frames, in any order: no error comes out, nothing stays behind, and the server sees sound requests only."""

from __future__ import annotations

import asyncio
from typing import Any

from harness.connection import MemoryTransport
from harness.fuzz import fuzz
from harness.http2_connection import Carriers, Loop, Queue, with_loop
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.http2.connection import MAX_STREAMS, Http2Connection
from pywatt.http.http2.frame_cutter import PREFACE
from pywatt.http.http2.server import Http2Server
from pywatt.http.limits import ConnectionLimits, HeadLimits
from pywatt.http.request_reader import RequestReader

GET = bytes.fromhex("82 87 84 41 01 61")
POST = bytes.fromhex("83 87 84 41 01 61")
BLOCKS = st.sampled_from(
    [GET, POST, GET[:1], b"", b"\xff\xff\xff", POST + b"\x00\x0econtent-length\x011", b"\x3f\xe1\xff\x03"]
)
ANSWERS = (b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", b"HTTP/1.1 200 OK\r\n\r\nok", b"nonsense\r\n\r\n", b"")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


FRAMES = st.lists(
    st.builds(
        frame,
        st.one_of(st.sampled_from([0, 0, 1, 1, 1]), st.integers(0, 12)),
        st.one_of(st.sampled_from([0, 1, 4, 5]), st.integers(0, 255)),
        st.integers(0, 9),
        st.one_of(BLOCKS, st.binary(max_size=24), st.sampled_from([b"\0" * 4, b"\0" * 5, b"\0" * 8, b"x" * 17_000])),
    ),
    max_size=25,
)


class Inner(asyncio.Protocol):
    """Reads its one request strictly, and answers it."""

    def __init__(self, answer: bytes, open_now: set[Inner]) -> None:
        self._answer = answer
        self._open = open_now
        self._reader = RequestReader(HeadLimits())
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._open.add(self)
        assert len(self._open) <= MAX_STREAMS

    def data_received(self, data: bytes) -> None:
        while data:
            data = self._reader.feed(data)
            if self._reader.complete:
                assert data == b"", "bytes behind the request"
                self._transport.write(self._answer)
                if not self._answer.startswith(ANSWERS[0]):
                    self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._open.discard(self)


@given(frames=FRAMES, cut=st.integers(1, 400), answer=st.sampled_from(ANSWERS), retires=st.booleans())
@fuzz
def test_any_frames(frames: list[bytes], cut: int, answer: bytes, retires: bool) -> None:
    loop, open_now, carriers = Loop(), set[Inner](), Carriers()
    server = Http2Server(
        accept=lambda: Inner(answer, open_now),
        carriers=carriers,
        fair_queue=Queue(loop),
        draining=lambda: False,
        limits=ConnectionLimits(),
        loop=loop,  # type: ignore[arg-type]
    )
    with_loop(lambda: drive(Http2Connection(server), loop, PREFACE + b"".join(frames), cut, retires=retires), loop)
    assert not open_now
    assert not carriers.open


def drive(connection: Http2Connection, loop: Loop, data: bytes, cut: int, *, retires: bool) -> None:
    transport = MemoryTransport()
    connection.connection_made(transport)
    for start in range(0, len(data), cut):
        connection.data_received(data[start : start + cut])
        loop.run()
    if retires:
        connection.retire()
    for now in (0.0, 61.0, 200.0):
        connection.look_at_time(now)
        loop.run()
    connection.close()
    connection.connection_lost(None)
    loop.run()
