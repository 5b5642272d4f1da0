from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.channel.frames import MAX_FRAME_BYTES, FrameReader, frame
from pywatt.channel.messages import (
    Check,
    Checked,
    Degraded,
    Message,
    NewTable,
    Ping,
    Pong,
    Ready,
    Stop,
    TableApplied,
    decode,
    encode,
)

MESSAGES: list[Message] = [
    Ready(http=False, address="tcp:127.0.0.1:1", exports={"KAFKA_BROKERS": "127.0.0.1:2"}),
    Degraded("Kafka is away"),
    Degraded(None),
    TableApplied(7),
    NewTable({"version": 1, "services": []}),
    Stop(2.5),
    Ping(12.5),
    Pong(0.25, {"waiting": 3.0}),
    Check(1, "app:healthy"),
    Checked(1, "no"),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize("data", [b"{}", b"[]", b'{"kind":"Nope"}', b'{"kind":"Stop"}', b"\xff"])
def test_what_is_no_message_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - any ValueError will do, the text differs by parser
        decode(data)


@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
def test_frames_survive_any_cutting_of_the_stream(payloads: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(frame(payload) for payload in payloads)
    reader = FrameReader()
    received: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += reader.feed(stream[:size])
        stream = stream[size:]
    assert received == payloads


def test_an_absurd_length_is_refused_before_anything_is_buffered() -> None:
    with pytest.raises(ValueError, match="beyond the limit"):
        list(FrameReader().feed((MAX_FRAME_BYTES + 1).to_bytes(4, "big")))
