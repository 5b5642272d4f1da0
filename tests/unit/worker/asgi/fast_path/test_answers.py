"""For a plain request, the client gets the same bytes as through uvicorn's own path, whatever the application sends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from harness.connection import start_later
from harness.plain import TURNS, EveryPlain, NothingIsPlain, Scripted, Served, serve
from hypothesis import example, given
from hypothesis import strategies as st

from pywatt.worker.asgi.fast_path import head as plain_head
from pywatt.worker.asgi.http_connection import DatedHttpConnection
from pywatt.worker.asgi.lifespan import Message

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
HEAD = b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"


def start(status: Any, *headers: Any) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def body(data: Any = b"", more: bool | None = None) -> Message:
    message = {"type": "http.response.body", "body": data}
    return message if more is None else {**message, "more_body": more}


def length(value: bytes, name: bytes = b"content-length") -> tuple[bytes, bytes]:
    return name, value


TEXT = (b"Content-Type", b"text/plain")
ANSWERS: dict[str, Sequence[Message]] = {
    "plain": (start(200, TEXT, length(b"2")), body(b"ok")),
    "not the last part": (start(200, TEXT, length(b"2")), body(b"o", True), body(b"k")),
    "last part empty": (start(200, TEXT, length(b"2")), body(b"ok", True), body(b"")),
    "body first": (body(b"ok"), start(200, length(b"2"))),
    "start twice": (start(200, length(b"2")), start(200, length(b"2")), body(b"ok")),
    "body twice": (start(200, length(b"2")), body(b"ok"), body(b"ok")),
    "nothing": (),
    "start alone": (start(200, length(b"2")),),
    "part alone": (start(200, length(b"2")), body(b"o", True)),
    "too long": (start(200, length(b"2")), body(b"okay")),
    "too short": (start(200, length(b"2")), body(b"o")),
    "no body field": (start(200, length(b"0")), {"type": "http.response.body"}),
    "no headers field": ({"type": "http.response.start", "status": 204}, body()),
    "no type": ({"status": 200},),
    "no status": ({"type": "http.response.start"}, body()),
    "unknown type": ({"type": "http.response.trailers"}, body()),
    "other type behind the start": (start(200, length(b"0")), {"type": "http.response.trailers"}),
    "no length": (start(200, TEXT), body(b"ok")),
    "no length and no body": (start(200, TEXT), body()),
    "parts without a length": (start(200, TEXT), body(b"o", True), body(b"", True), body(b"k", True), body()),
    "204": (start(204), body()),
    "204 with a body": (start(204), body(b"x")),
    "304": (start(304, (b"etag", b'"1"')), body()),
    "304 with a length": (start(304, length(b"7")), body()),
    "unknown status": (start(799, length(b"0")), body()),
    "status that is none": (start("200", length(b"0")), body()),
    "status that is a list": (start([], length(b"0")), body()),
    "status without a phrase": (start(299, length(b"0")), body()),
    "lengths": (start(200, length(b"2"), length(b"2")), body(b"ok")),
    "lengths that differ": (start(200, length(b"2"), length(b"3", b"Content-Length")), body(b"ok")),
    "length in capitals": (start(200, length(b"2", b"CONTENT-LENGTH")), body(b"ok")),
    "length with a sign": (start(200, length(b"+2")), body(b"ok")),
    "length with zeros": (start(200, length(b"0002")), body(b"ok")),
    "length with a space": (start(200, length(b" 2")), body(b"ok")),
    "length with a line feed": (start(200, length(b"2\n")), body(b"ok")),
    "length that is none": (start(200, length(b"x")), body(b"ok")),
    "empty length": (start(200, length(b"")), body(b"ok")),
    "chunked": (start(200, (b"Transfer-Encoding", b"chunked")), body(b"ok")),
    "chunked with a length": (start(200, (b"transfer-encoding", b"chunked"), length(b"2")), body(b"ok")),
    "length, then chunked": (start(200, length(b"2"), (b"transfer-encoding", b"Chunked")), body(b"ok")),
    "close": (start(200, (b"Connection", b"Close"), length(b"2")), body(b"ok")),
    "keep-alive": (start(200, (b"connection", b"keep-alive"), length(b"2")), body(b"ok")),
    "cookies": (start(200, (b"set-cookie", b"a"), (b"set-cookie", b"b"), length(b"0")), body()),
    "bad name": (start(200, (b"a b", b"x"), length(b"0")), body()),
    "empty name": (start(200, (b"", b"x"), length(b"0")), body()),
    "name that only some refuse": (start(200, (b"a/b\xe4", b"x"), length(b"0")), body()),
    "bad value": (start(200, (b"a", b"x\r\ny: z"), length(b"0")), body()),
    "tab in a value": (start(200, (b"a", b"x\ty\xe4 "), length(b"0")), body()),
    "bad value behind": (start(200, length(b"0"), (b"a", b"\x00")), body()),
    "text instead of bytes": (start(200, ("a", "b"), length(b"0")), body()),
    "headers as lists": (start(200, [b"a", b"b"], [b"content-length", b"2"]), body(b"ok")),
    "header of three": (start(200, (b"a", b"b", b"c"), length(b"0")), body()),
    "header of None": (start(200, None, length(b"0")), body()),
    "headers as a tuple": ({**start(200), "headers": (TEXT, length(b"2"))}, body(b"ok")),
    "headers None": ({**start(200), "headers": None}, body(b"ok")),
    "bytearray": (start(200, length(b"2")), body(bytearray(b"ok"))),
    "memoryview": (start(200, length(b"2")), body(memoryview(b"ok"))),
    "text": (start(200, length(b"2")), body("ok")),
    "body None": (start(200, length(b"2")), body(None)),
    "large": (start(200, length(b"70000")), body(b"x" * 70000)),
    "events": (start(200, (b"content-type", b"text/event-stream")), body(b"data: 1\n\n", True), body(b"")),
    "events with a length": (
        start(200, (b"content-type", b"text/event-stream"), length(b"2")),
        body(b"o", True),
        body(b"k"),
    ),
}


class Both:
    """Serves with and without the fast path, and compares the results."""

    def __init__(self, messages: Sequence[Message], **options: Any) -> None:
        self._messages, self._options = messages, options

    def run(self, requests: list[bytes], **how: Any) -> Served:
        async def serve_both() -> tuple[Served, Served]:
            if how.get("turns", TURNS) < TURNS:  # a task that starts at once is ahead of one that does not
                asyncio.get_running_loop().set_task_factory(start_later)
            reader = EveryPlain()
            short = await serve(requests, Scripted(self._messages, **self._options), reader, **how)
            assert reader.count
            return short, await serve(requests, Scripted(self._messages, **self._options), NothingIsPlain(), **how)

        short, long = asyncio.run(serve_both())
        assert short == long
        return short


@pytest.fixture(autouse=True)
def _quiet() -> None:
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)


@pytest.mark.parametrize("how", [{}, {"closing": True}, {"protocol_class": DatedHttpConnection}], ids=str)
@pytest.mark.parametrize("options", [{}, {"turns": 1}, {"catches": True}], ids=str)
@pytest.mark.parametrize("name", ANSWERS)
def test_one_answer(name: str, options: dict[str, Any], how: dict[str, Any]) -> None:
    for request in (GET, HEAD):
        Both(ANSWERS[name], **options).run([request, request], **how)


PARTS = st.sampled_from([message for messages in ANSWERS.values() for message in messages if len(str(message)) < 500])


@given(
    messages=st.lists(PARTS, max_size=5),
    requests=st.lists(st.sampled_from([GET, HEAD, GET + HEAD]), min_size=1, max_size=3),
    turns=st.integers(0, 2),
    catches=st.booleans(),
    pauses=st.integers(0, 3) | st.just(TURNS),
)
@example(  # what follows a head that was refused is none of ours
    messages=[start(200, None, length(b"0")), body(), body(b"o", True)],
    requests=[GET],
    turns=0,
    catches=True,
    pauses=TURNS,
)
@example(  # of several first messages the very first says whether events follow
    messages=[
        {"type": "http.response.body", "body": b"ok"},
        {"type": "http.response.start", "status": 200, "headers": None},
        {"type": "http.response.body", "body": b"o", "more_body": True},
    ],
    requests=[GET],
    turns=0,
    catches=True,
    pauses=TURNS,
)
def test_any_messages(messages: list[Message], requests: list[bytes], turns: int, catches: bool, pauses: int) -> None:
    Both(messages, turns=turns, catches=catches).run([GET, *requests], turns=pauses)


HEADERS = st.tuples(
    st.sampled_from([b"a", b"A-B", b"content-length", b"connection", b"transfer-encoding"]) | st.binary(max_size=2),
    st.sampled_from([b"0", b"2", b"close", b"chunked"]) | st.binary(max_size=2),
)


@given(st.sampled_from([200, 204, 304, 404, 101]), st.lists(HEADERS, max_size=4), st.sampled_from([b"", b"ok"]))
def test_any_head(status: int, headers: list[tuple[bytes, bytes]], data: bytes) -> None:
    Both((start(status, *headers), body(data))).run([GET, GET])


def test_what_is_remembered_of_heads_is_bounded() -> None:
    for number in range(2 * plain_head.KNOWN + 1):
        assert plain_head.plain_head(200, [(b"content-length", b"0"), (b"x-number", b"%d" % number)])
    assert plain_head.plain_head(200, [(b"content-length", b"0"), (b"x", b"y" * plain_head.KNOWN_SIZE)])
    assert len(plain_head._heads) <= plain_head.KNOWN
    assert len(plain_head._lines) <= plain_head.KNOWN
    assert max(len(head) for head, _ in plain_head._heads.values()) < plain_head.KNOWN_SIZE
