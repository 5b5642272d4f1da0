"""The ends of WebSocket frames, however their bytes are split."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Close, Frame, Opcode

from pywatt_services.gateway.tunnel import frames
from pywatt_services.gateway.tunnel.frames import CLOSE_SERVICE_RESTART, FrameCursor

FRAMES = st.lists(
    st.tuples(st.sampled_from([0, 1, 125, 126, 200, 65_535, 65_536, 70_000]), st.booleans()), min_size=1, max_size=4
)


@given(FRAMES, st.lists(st.integers(1, 100_000), max_size=10))
def test_the_first_end_in_each_piece_is_found(sizes: list[tuple[int, bool]], steps: list[int]) -> None:
    written = [Frame(Opcode.BINARY, b"x" * size).serialize(mask=masked) for size, masked in sizes]
    ends = set(itertools.accumulate(map(len, written)))
    data = b"".join(written)
    cursor, position = FrameCursor(), 0
    for step in (*steps, len(data)):
        piece = data[position : position + step]
        followed, found = cursor.feed(piece)
        assert followed == len(piece)
        inside = sorted(end - position for end in ends if position < end <= position + len(piece))
        assert found == (inside[0] if inside else None)
        position += len(piece)
        assert cursor.between == (position in ends or position == 0)


def test_a_head_that_comes_byte_by_byte() -> None:
    cursor = FrameCursor()
    frame = Frame(Opcode.TEXT, b"x" * 300).serialize(mask=True)
    assert [cursor.feed(frame[index : index + 1])[1] for index in range(len(frame))] == [None] * (len(frame) - 1) + [1]


def test_not_more_than_so_many_frames_are_followed_at_once() -> None:
    size = 2 * frames.FRAMES
    cursor, data = FrameCursor(), b"\x81\x00" * (2 * frames.FRAMES + 1)
    assert cursor.feed(data) == (size, 2)
    assert cursor.feed(data[size:]) == (size, 2)
    assert cursor.feed(data[2 * size :]) == (2, 2)
    assert cursor.between


def test_the_close_frame_says_service_restart() -> None:
    assert Frame(Opcode.CLOSE, Close(1012, "").serialize()).serialize(mask=False) == CLOSE_SERVICE_RESTART
