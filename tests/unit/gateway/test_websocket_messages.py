"""Messages of a WebSocket are followed whatever pieces they come in."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.gateway.tunnel.frames import FRAMES
from pywatt_services.gateway.tunnel.messages import CLOSE, PING, PONG, MessageCursor, ping


def frame(opcode: int, payload: bytes, *, fin: bool = True, masked: bool = False) -> bytes:
    size = len(payload)
    length = (
        bytes((size,)) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 65536 else b"\x7f" + size.to_bytes(8)
    )
    head = bytes((opcode | (0x80 if fin else 0), length[0] | (0x80 if masked else 0))) + length[1:]
    return head + (b"\0\0\0\0" if masked else b"") + payload


def feed_all(cursor: MessageCursor, pieces: list[bytes]) -> bytes:
    passed = b""
    for piece in pieces:
        rest = piece
        while rest:
            some, rest = cursor.feed(rest)
            passed += some
    return passed


FRAME: Any = st.one_of(
    st.tuples(st.sampled_from([0, 1, 2]), st.binary(max_size=300), st.booleans()),
    st.tuples(st.just(2), st.sampled_from([b"x" * 125, b"x" * 126, b"x" * 65535, b"x" * 65536]), st.just(True)),
    st.tuples(st.sampled_from([CLOSE, PING, PONG]), st.binary(max_size=125), st.just(True)),
)


@given(st.lists(FRAME, max_size=8), st.booleans(), st.integers(min_value=1, max_value=70_000), st.binary(max_size=1))
def test_pieces_do_not_matter(frames: list[tuple[int, bytes, bool]], masked: bool, step: int, drop: bytes) -> None:
    seen: list[tuple[int, bytes]] = []

    def control(opcode: int, payload: bytes) -> bool:
        seen.append((opcode, payload))
        return payload[:1] != drop

    written = [frame(opcode, payload, fin=fin, masked=masked) for opcode, payload, fin in frames]
    whole = b"".join(written)
    cursor = MessageCursor(control)
    passed = feed_all(cursor, [whole[at : at + step] for at in range(0, len(whole), step)])
    kept = [
        text for text, (opcode, payload, _) in zip(written, frames, strict=True) if opcode < 8 or payload[:1] != drop
    ]
    assert passed == b"".join(kept)
    assert seen == [(opcode, payload) for opcode, payload, _ in frames if opcode >= 8]
    assert cursor.between_frames
    data = [fin for opcode, _, fin in frames if opcode < 8]
    assert cursor.between is (not data or data[-1])
    assert cursor.closed is any(opcode == CLOSE for opcode, _, _ in frames)


@given(st.binary(max_size=2000), st.integers(min_value=1, max_value=50))
def test_any_bytes_are_followed_to_their_end(data: bytes, step: int) -> None:
    cursor = MessageCursor(lambda _opcode, _payload: True)
    passed = feed_all(cursor, [data[at : at + step] for at in range(0, len(data), step)])
    assert data.startswith(passed)
    assert len(data) - len(passed) < 2 + 8 + 4 + 125


def test_tiny_frames_are_followed_in_turns() -> None:
    cursor = MessageCursor(lambda _opcode, _payload: True)
    passed, rest = cursor.feed(frame(1, b"") * (FRAMES + 10))
    assert (len(passed), len(rest)) == (FRAMES * 2, 20)
    assert ping(b"x") == frame(PING, b"x", masked=True)
