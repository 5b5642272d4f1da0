"""Frames are cut at their ends, and floods of them are noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.http2.frame_cutter import (
    CONTROL_BURST,
    MAX_BLOCK,
    MAX_CONTINUATIONS,
    MAX_FRAME,
    PREFACE,
    RESET_BURST,
    Flood,
    FrameCutter,
)

DATA, HEADERS, PRIORITY, RESET, SETTINGS, PING, WINDOW, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
END_HEADERS = 4


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 1) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def begun() -> FrameCutter:
    cutter = FrameCutter()
    cutter.add(PREFACE)
    assert cutter.take(0.0) == PREFACE
    return cutter


@given(payloads=st.lists(st.binary(max_size=40), max_size=8), cuts=st.lists(st.integers(1, 30), max_size=40))
def test_any_cut_gives_the_same_frames(payloads: list[bytes], cuts: list[int]) -> None:
    frames = [frame(WINDOW, payload) for payload in payloads]
    data = PREFACE + b"".join(frames)
    cutter = FrameCutter()
    seen: list[bytes] = []
    for size in [*cuts, len(data)]:
        cutter.add(data[:size])
        data = data[size:]
        while cutter.has_frame:
            seen.append(cutter.take(0.0))
    assert seen == [PREFACE, *frames]
    assert not cutter.partial


def test_another_preface_is_handed_on_at_once() -> None:
    cutter = FrameCutter()
    cutter.add(b"GET / HTTP/1.1\r\n")
    assert cutter.has_frame
    assert cutter.take(0.0)


def test_a_frame_that_is_too_large_is_handed_on_before_it_is_whole() -> None:
    cutter = begun()
    cutter.add(frame(DATA, b"x" * (MAX_FRAME + 1))[:20])
    assert len(cutter.take(0.0)) == 20


@pytest.mark.parametrize("kind", [PRIORITY, SETTINGS, PING, DATA, 0x77])
def test_frames_without_content_are_bounded(kind: int) -> None:
    cutter = begun()
    for _ in range(CONTROL_BURST):
        cutter.add(frame(kind))
        cutter.take(0.0)
    cutter.add(frame(kind))
    with pytest.raises(Flood):
        cutter.take(0.0)


def test_the_bound_is_one_of_a_rate() -> None:
    cutter = begun()
    for second in range(CONTROL_BURST * 2):
        cutter.add(frame(PING))
        cutter.take(float(second))


def test_resets_are_bounded() -> None:
    cutter = begun()
    for _ in range(RESET_BURST):
        cutter.add(frame(RESET, b"\0" * 4))
        cutter.take(0.0)
    with pytest.raises(Flood):
        cutter.note_refused(0.0)


def test_blocks_of_header_fields_are_bounded() -> None:
    cutter = begun()
    cutter.add(frame(HEADERS, b"x"))
    cutter.take(0.0)
    assert cutter.partial
    for _ in range(MAX_CONTINUATIONS):
        cutter.add(frame(CONTINUATION))
        cutter.take(0.0)
    cutter.add(frame(CONTINUATION, flags=END_HEADERS))
    with pytest.raises(Flood):
        cutter.take(0.0)


def test_long_blocks_are_refused() -> None:
    cutter = begun()
    cutter.add(frame(HEADERS, b"x" * MAX_FRAME) + frame(CONTINUATION, b"x" * MAX_FRAME) * (MAX_BLOCK // MAX_FRAME))
    for _ in range(MAX_BLOCK // MAX_FRAME):
        cutter.take(0.0)
    with pytest.raises(Flood):
        cutter.take(0.0)


def test_a_complete_block_is_not_partial() -> None:
    cutter = begun()
    cutter.add(frame(HEADERS, b"x") + frame(CONTINUATION, b"y", END_HEADERS))
    cutter.take(0.0)
    cutter.take(0.0)
    assert not cutter.partial
