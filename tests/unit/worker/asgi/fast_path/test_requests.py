"""The fast path for plain requests has the same results for the application and the client as the full path."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest
from harness.connection import start_later
from harness.plain import TURNS, EveryPlain, NothingIsPlain, Scripted, Served, serve
from hypothesis import given
from hypothesis import strategies as st

from pywatt.worker.asgi.fast_path.request import NAMES_SIZE, SHAPES, PlainReader

PLAIN = {
    "GET": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "query": b"GET /a/b?c=d&e HTTP/1.1\r\nHost: a\r\n\r\n",
    "empty query": b"GET /a? HTTP/1.1\r\nHost: a\r\n\r\n",
    "two question marks": b"GET /a?b?c HTTP/1.1\r\nHost: a\r\n\r\n",
    "encoded path": b"GET /%41%2F%c3%A4/%E4?%41%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "raw characters of a query": b"GET /a?{a}|^`[x] HTTP/1.1\r\nHost: a\r\n\r\n",
    "two slashes": b"GET //u@h:1/x HTTP/1.1\r\nHost: a\r\n\r\n",
    "dot segments": b"GET /../a/./b HTTP/1.1\r\nHost: a\r\n\r\n",
    "mixed case": b"GET / HTTP/1.1\r\nHOST: a\r\nUser-Agent: B\r\n\r\n",
    "HEAD": b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    "M-SEARCH": b"M-SEARCH / HTTP/1.1\r\nHost: a\r\n\r\n",
    "body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "body of GET": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
    "empty body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
    "length with zeros": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 003\r\n\r\nabc",
    "length with a space": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3 \r\n\r\nabc",
    "body that looks like a head": b"PUT / HTTP/1.1\r\nHost: a\r\n"
    b"Content-Length: 28\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n.",
    "body with empty lines": b"DELETE / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n\r\n\r\n\r\n\r\n",
    "empty line behind the body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\na\r\n",
    "keep-alive": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Keep-Alive\r\n\r\n",
    "space around values": b"GET / HTTP/1.1\r\nHost: a\r\nA:b\r\nC: \t d \t\r\nE:\r\nF: \r\n\r\n",
    "bytes beyond ASCII": b"GET / HTTP/1.1\r\nHost: a\r\nX: \xe4\r\n\r\n",
    "colons in a value": b"GET / HTTP/1.1\r\nHost: a\r\nX: a: b\r\n\r\n",
}

NOT_PLAIN = {
    "TRACE": b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    "bad percent sign": b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    "odd characters": b'GET /{a}|^`[x]"<>\\?{a}|^`[x]"<>\\ HTTP/1.1\r\nHost: a\r\n\r\n',
    "no Host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "no headers": b"GET / HTTP/1.1\r\n\r\n",
    "length with many zeros": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"0" * 5000 + b"3\r\n\r\nabc",
    "Host with a path": b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
    "Host in look-alike": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer_Encoding: chunked\r\n\r\n",
    "Proxy": b"GET / HTTP/1.1\r\nHost: a\r\nProxy: b\r\n\r\n",
    "many fields": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(128)) + b"\r\n",
    "large target": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    "no path": b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    "absolute target": b"GET http://b/c HTTP/1.1\r\nHost: a\r\n\r\n",
    "fragment": b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT with a path": b"CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n",
    "unknown method": b"BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /1\r\nHost: a\r\n\r\n",
    "HTTP/0.9 that ends as a version does": b"GET /HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/1.0": b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    "HTTP/1.0 keep-alive": b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/2.0": b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
    "HTTP/1.2": b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "high byte in the path": b"GET /\xe4 HTTP/1.1\r\nHost: a\r\n\r\n",
    "empty line before": b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "empty line behind": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n\r\n",
    "bare line feeds": b"GET / HTTP/1.1\nHost: a\n\n",
    "line feed in a value": b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
    "carriage return in a value": b"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
    "NUL in a value": b"GET / HTTP/1.1\r\nHost: a\x00b\r\n\r\n",
    "bad name": b"GET / HTTP/1.1\r\nHost: a\r\nA B: c\r\n\r\n",
    "space before the colon": b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
    "no colon": b"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n",
    "no name": b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
    "folded": b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
    "folded first": b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
    "same name twice": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nX: 2\r\n\r\n",
    "same name in another case": b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\nx: 2\r\n\r\n",
    "two Hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
    "two lengths that differ": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\ncontent-length: 0\r\n\r\nabc",
    "list of lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 3\r\n\r\nabc",
    "length with a sign": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
    "negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc",
    "hexadecimal length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x3\r\n\r\nabc",
    "empty length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: \r\n\r\nabc",
    "huge length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\nabc",
    "length too long": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nabc",
    "length too short": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nabc",
    "body without a length": b"POST / HTTP/1.1\r\nHost: a\r\n\r\nabc",
    "length in look-alike": b"POST / HTTP/1.1\r\nHost: a\r\nContent_Length: 3\r\n\r\nGET",
    "chunks": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "one chunk with a trailer": b"POST / HTTP/1.1\r\nHost: a\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: y\r\n\r\n",
    "chunks and a length": b"POST / HTTP/1.1\r\nHost: a\r\n"
    b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\nabc",
    "unknown coding of GET": b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "identity": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    "expectation": b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
    "expectation alone": b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    "close": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    "close of a proxy": b"GET / HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n",
    "keep-alive and close": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, close\r\n\r\n",
    "upgrade": b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "upgrade with a body": b"POST / HTTP/1.1\r\nHost: a\r\n"
    b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 3\r\n\r\nabc",
    "Upgrade alone": b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\n\r\n",
    "pipelined": b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n",
    "pipelined behind a body": b"POST / HTTP/1.1\r\nContent-Length: 1\r\n\r\naGET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "begun behind": b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGE",
    "rubbish behind": b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\n\x00",
    "head alone": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
    "half a head": b"GET / HTTP/1.1\r\nHost: a\r\n",
    "body that ends as a head does": b"POST / HTTP/1.1\r\nContent-Length: 27\r\n\r\nGET / HTTP/1.1\r\nHost: b\r\n\r\n",
    "large body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n" + b"x" * 70000,
    "large header": b"POST / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70000 + b"\r\nContent-Length: 1\r\n\r\na",
}
EACH = {**PLAIN, **NOT_PLAIN}
SMALL = [data for data in EACH.values() if len(data) < 1000]


def both(
    pieces: list[bytes], *, turns: int = TURNS, app_turns: int = 0, later: bool = False
) -> tuple[Served, Served, int]:
    plain = EveryPlain()

    async def run() -> tuple[Served, Served]:
        if later:
            asyncio.get_running_loop().set_task_factory(start_later)
        return (
            await serve(pieces, Scripted(turns=app_turns), plain, turns=turns),
            await serve(pieces, Scripted(turns=app_turns), NothingIsPlain(), turns=turns),
        )

    short, long = asyncio.run(run())
    return short, long, plain.count


def one_by_one(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


@pytest.mark.parametrize("name", EACH)
def test_one_request(name: str) -> None:
    short, long, plain = both([EACH[name]])
    assert short == long
    assert plain == (name in PLAIN)


@pytest.mark.parametrize("name", EACH)
def test_a_request_that_came_before(name: str) -> None:
    short, long, plain = both([EACH[name]] * 3)
    assert short == long
    assert plain == 3 * (name in PLAIN)


@pytest.mark.parametrize("name", EACH)
def test_plain_requests_around(name: str) -> None:
    around = PLAIN["body"]
    short, long, _ = both([around, EACH[name], around, PLAIN["GET"]])
    assert short == long


@pytest.mark.parametrize("name", [name for name in EACH if EACH[name] in SMALL])
def test_requests_in_two_pieces_cut_at_every_byte(name: str) -> None:
    data = EACH[name]
    for cut in range(1, len(data)):
        short, long, _ = both([data[:cut], data[cut:], PLAIN["query"]])
        assert short == long


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_not_plain_leaves_no_trace(name: str) -> None:
    reader = PlainReader()
    before = [reader.read(data) for data in PLAIN.values()]
    assert reader.read(NOT_PLAIN[name]) is None
    assert [reader.read(data) for data in PLAIN.values()] == before
    assert None not in before


def test_headers_are_each_application_s_own() -> None:
    reader = PlainReader()
    for _ in range(3):
        request = reader.read(PLAIN["GET"])
        assert request is not None
        headers = request[4]
        assert headers == [(b"host", b"a")]
        headers.append((b"added", b"by a middleware"))


def test_what_is_remembered_of_names_is_bounded() -> None:
    reader = PlainReader()
    for number in range(2 * SHAPES):
        assert reader.read(b"GET / HTTP/1.1\r\nhost: a\r\nx-%d: y\r\n\r\n" % number)
    assert reader.read(b"GET / HTTP/1.1\r\nhost: a\r\n%b: y\r\n\r\n" % (b"x" * NAMES_SIZE * 2))
    assert len(reader._shapes) <= SHAPES
    assert max(len(b"".join(names)) for names in reader._shapes) <= NAMES_SIZE


@given(
    messages=st.lists(st.sampled_from(SMALL), min_size=1, max_size=4),
    cuts=st.lists(st.integers(0, 600), max_size=4),
    noise=st.binary(max_size=3),
    at=st.integers(0),
    turns=st.integers(0, 3) | st.just(TURNS),
    app_turns=st.integers(0, 2),
)
def test_damaged_requests_however_they_arrive(
    messages: list[bytes], cuts: list[int], noise: bytes, at: int, turns: int, app_turns: int
) -> None:
    pieces = list(messages)
    number = at % len(pieces)
    place = at % (len(pieces[number]) + 1)
    pieces[number] = pieces[number][:place] + noise + pieces[number][place:]
    if cuts:
        data = b"".join(pieces)
        edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        pieces = [data[start:end] for start, end in pairwise(edges) if end > start]
    # A task that starts at once is ahead of one that does not; else the two keep step.
    short, long, _ = both(pieces, turns=turns, app_turns=app_turns, later=turns < TURNS)
    assert short == long


FIELDS = st.lists(
    st.tuples(
        st.sampled_from([b"Host", b"X-A", b"x-b", b"Content-Length", b"Connection", b"Te", b"Expect", b"Cookie"])
        | st.binary(min_size=1, max_size=3),
        st.sampled_from([b":", b": ", b":\t ", b" :"]),
        st.sampled_from([b"", b"0", b"3", b"a, b", b"keep-alive", b"close", b" x "]) | st.binary(max_size=3),
    ),
    max_size=5,
)


@given(
    method=st.sampled_from([b"GET", b"HEAD", b"POST", b"DELETE", b"get", b"LINK"]),
    target=st.binary(max_size=5).map(lambda tail: b"/" + tail) | st.sampled_from([b"/a?b", b"*", b"a", b"/%41"]),
    version=st.sampled_from([b"HTTP/1.1"] * 4 + [b"HTTP/1.0", b"HTTP/1.1 ", b""]),
    fields=FIELDS,
    body=st.sampled_from([b"", b"", b"abc", b"\r\n"]),
)
def test_made_up_requests(
    method: bytes, target: bytes, version: bytes, fields: list[tuple[bytes, bytes, bytes]], body: bytes
) -> None:
    line = b" ".join((method, target, version)) + b"\r\n"
    data = line + b"Host: a\r\n" + b"".join(b"".join(field) + b"\r\n" for field in fields) + b"\r\n" + body
    # Whatever is known of the block of this request from another one must not matter.
    block = data[len(line) :]
    short, long, _ = both([b"GET /other HTTP/1.1\r\n" + block, data, data])
    assert short == long


def test_a_block_that_differs_in_the_last_traceparent_alone_is_known() -> None:
    reader = PlainReader()
    parent = b"00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01"
    for number in (1, 2, 3):
        value = parent % number
        request = reader.read(b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\ntraceparent: " + value + b"\r\n\r\n")
        assert request is not None
        assert request[4] == [(b"host", b"a"), (b"x", b"y"), (b"traceparent", value)]
        request[4].clear()  # as an application may
    for wrong in (b"\0", b"\n", b" "):
        data = b"GET /a HTTP/1.1\r\nHost: a\r\nX: y\r\ntraceparent: " + (parent % 4)[:-1] + wrong + b"\r\n\r\n"
        fresh, known = PlainReader().read(data), reader.read(data)
        assert fresh == known
    twice = b"GET /a HTTP/1.1\r\nHost: a\r\ntraceparent: b\r\ntraceparent: " + parent % 5 + b"\r\n\r\n"
    assert reader.read(twice) is None
