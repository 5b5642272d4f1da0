from __future__ import annotations

import json
import socket
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pywatt.channel.frames import MAX_FRAME_BYTES, FrameReader, frame
from pywatt.channel.messages import (
    Answer,
    Ask,
    Check,
    Checked,
    Degraded,
    Follow,
    MemoryRecorded,
    Message,
    OpenPrompt,
    Ping,
    Pong,
    Ready,
    RecordMemory,
    Stop,
    TableApplied,
    TableChanged,
    TableDrained,
    decode,
    encode,
)
from pywatt.channel.stream import open_channel

MESSAGES: list[Message] = [
    Ready(http=False, address="tcp:127.0.0.1:1", exports={"KAFKA_BROKERS": "127.0.0.1:2"}),
    Degraded("Kafka is away"),
    Degraded(None),
    TableApplied(7),
    Follow(),
    TableChanged({"version": 1, "since": 0, "services": [], "removed": []}),
    Stop(2.5),
    Ping(12.5),
    Pong(0.25, {"waiting": 3.0}),
    Check(1, "app:healthy"),
    Checked(1, "no"),
    RecordMemory(2, 1.5),
    OpenPrompt("/run/repl.sock"),
    MemoryRecorded(2, [[["app.py:1 a = []", "app.py:2 a.append(1)"], 512]], "no"),
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.parametrize(
    "data",
    [
        b"{}",
        b"[]",
        b'{"kind":"Nope"}',
        b'{"kind":["Stop"]}',
        b'{"kind":"Stop"}',
        b'{"kind":"Stop","timeout":1,"more":1}',
        b'{"kind":"TableApplied","version":"x"}',
        b'{"kind":"TableApplied","version":-1}',
        b'{"kind":"TableApplied","version":true}',
        b'{"kind":"TableDrained","version":1e400}',
        b'{"kind":"Pong","delay":NaN}',
        b'{"kind":"Pong","delay":1,"gauges":{"waiting":"many"}}',
        b'{"kind":"Ready","address":"tcp:127.0.0.1:99999"}',
        b'{"kind":"Ready","address":"udp:1"}',
        b'{"kind":"Ready","exports":{"A=B":"c"}}',
        b'{"kind":"Ready","exports":{"A":"\\u0000"}}',
        b'{"kind":"Ready","exports":[["A","b"]]}',
        b'{"kind":"Degraded","reason":"\\ud800"}',
        b'{"kind":"Checked","id":1,"problem":null}',
        b'{"kind":"MemoryRecorded","id":1,"stacks":[["a",1]]}',
        b'{"kind":"MemoryRecorded","id":1,"stacks":[[["a"],-1]]}',
        b'{"kind":"Pong","delay":' + b"1" * 5000 + b"}",
        b"[" * 100_000,
        b"\xff",
    ],
)
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


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KINDS = (
    Answer,
    Ask,
    Check,
    Checked,
    Degraded,
    Follow,
    Ping,
    Pong,
    Ready,
    Stop,
    TableApplied,
    TableChanged,
    TableDrained,
)


@given(
    st.binary(max_size=200) | st.text(max_size=200).map(str.encode) | JSON.map(lambda value: json.dumps(value).encode())
)
def test_junk_is_no_message(data: bytes) -> None:
    with pytest.raises(ValueError, match="not a message"):
        decode(data)


@given(st.sampled_from(KINDS), st.data())
def test_a_message_has_only_fields_of_their_forms(kind: type[Message], data: st.DataObject) -> None:
    fields = {name: data.draw(JSON, name) for name in kind.__dataclass_fields__ if data.draw(st.booleans())}
    document = json.dumps({"kind": kind.__name__, **fields}).encode()
    try:
        message = decode(document)
    except ValueError:
        return
    assert isinstance(message, kind)
    assert decode(encode(message)) == message
    for name in ("version", "id"):
        assert type(getattr(message, name, 0)) is int
    for name in ("delay", "timeout", "sent"):
        assert -(2**63) < getattr(message, name, 0) < 2**63
    assert isinstance(getattr(message, "gauges", {}), dict)
    assert isinstance(getattr(message, "exports", {}), dict)


@pytest.mark.anyio
@given(messages=st.lists(st.sampled_from(MESSAGES), max_size=4), junk=st.binary(min_size=1, max_size=64))
@settings(max_examples=60)
async def test_a_stream_is_read_up_to_the_first_thing_that_is_no_message(messages: list[Message], junk: bytes) -> None:
    received: list[Message] = []
    nonsense: list[ValueError] = []
    closed = anyio.Event()
    ours, theirs = socket.socketpair()
    with theirs:
        async with open_channel(ours, received.append, closed.set, nonsense.append):
            theirs.sendall(b"".join(frame(encode(message)) for message in messages) + frame(junk))
            theirs.sendall(frame(encode(Stop(1))))
            with anyio.fail_after(10):
                await closed.wait()
    assert received == messages
    assert len(nonsense) == 1
