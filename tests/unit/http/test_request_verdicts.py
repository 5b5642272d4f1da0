"""Rejected requests; the verdict does not depend on the splitting of the bytes."""

from __future__ import annotations

from itertools import pairwise

import pytest
from harness.verdicts import ACCEPTED, refused, request
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.limits import HeadLimits
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader

LIMITS = HeadLimits(size=2048, fields=20)
REFUSED = refused(LIMITS)


class Verdict:
    """A reader's result for a series of bytes."""

    def __init__(self) -> None:
        self.requests: list[tuple[bytes, bytes, bytes]] = []
        self.status = 0
        self.pending = False

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verdict) and vars(self) == vars(other)

    def __repr__(self) -> str:
        return f"{vars(self)}"


def read(pieces: list[bytes], limits: HeadLimits = LIMITS) -> Verdict:
    reader = RequestReader(limits)
    verdict = Verdict()
    body = b""
    try:
        for piece in pieces:
            rest = piece
            while rest or reader.complete:
                rest = reader.feed(rest)
                body += reader.take_body()
                if not reader.complete:
                    continue
                assert reader.head is not None
                verdict.requests.append((reader.head.method, reader.head.path, body))
                body = b""
                reader.next()
    except RequestError as error:
        verdict.status = error.status
    else:
        verdict.pending = reader.started
    return verdict


def one_by_one(data: bytes) -> list[bytes]:
    return [data[index : index + 1] for index in range(len(data))]


@pytest.mark.parametrize("name", REFUSED)
def test_is_refused(name: str) -> None:
    status, data = REFUSED[name]
    verdict = read([data])
    assert (verdict.status, verdict.requests) == (status, [])


@pytest.mark.parametrize("name", ACCEPTED)
def test_is_accepted_and_ends_where_it_ends(name: str) -> None:
    follower = b"DELETE /follower HTTP/1.1\r\nHost: a\r\n\r\n"
    verdict = read([ACCEPTED[name] + follower])
    assert (verdict.status, verdict.pending) == (0, False)
    assert [each[:2] for each in verdict.requests][1:] == [(b"DELETE", b"/follower")]


@pytest.mark.parametrize("name", [*REFUSED, *ACCEPTED])
def test_verdict_does_not_depend_on_how_the_bytes_arrive(name: str) -> None:
    data = REFUSED[name][1] if name in REFUSED else ACCEPTED[name] * 2
    assert read(one_by_one(data)) == read([data])


MESSAGES = st.lists(st.sampled_from([*(data for _, data in REFUSED.values()), *ACCEPTED.values()]), max_size=4)


@given(
    messages=MESSAGES, cuts=st.lists(st.integers(0, 4000), max_size=6), noise=st.binary(max_size=3), at=st.integers(0)
)
def test_verdict_on_damaged_requests_does_not_depend_on_the_cuts(
    messages: list[bytes], cuts: list[int], noise: bytes, at: int
) -> None:
    data = b"".join(messages)
    place = at % (len(data) + 1)
    data = data[:place] + noise + data[place:]
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges) if end > start]
    assert read(pieces) == read([data] if data else [])


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    assert read(one_by_one(data)) == read([data] if data else [])


def test_nothing_behind_the_current_request_is_read() -> None:
    reader = RequestReader(LIMITS)
    rest = reader.feed(request(b"POST / HTTP/1.1", b"Content-Length: 2", body=b"ab") + b"GARBAGE")
    assert (reader.take_body(), reader.complete, rest) == (b"ab", True, b"GARBAGE")
