"""Finished records beyond a committed offset survive as text, in any pattern, and are never overstated."""

from __future__ import annotations

import base64
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka.processing.commit_metadata import TEXT_LIMIT, AttemptRecord, Progress, decode, encode

OFFSETS = st.integers(0, 2**62)
STATUSES = st.none() | st.integers(100, 599)
DUES = st.just(0.0) | st.integers(1, 4_000_000_000).map(float)


@st.composite
def progresses(draw: st.DrawFn, position: int) -> Progress:
    at = position
    finished: list[range] = []
    for gap, length in draw(st.lists(st.tuples(st.integers(1, 300), st.integers(1, 3000)), max_size=30)):
        finished.append(range(at + gap, at + gap + length))
        at += gap + length
    tries = st.builds(AttemptRecord, st.integers(0, 1000), STATUSES, DUES)
    records = draw(st.dictionaries(st.integers(0, 5000), tries, max_size=20))
    return Progress(
        finished=tuple(finished), attempts={position + offset: each for offset, each in sorted(records.items())}
    )


@st.composite
def notes(draw: st.DrawFn) -> tuple[int, dict[int, Progress]]:
    position = draw(OFFSETS)
    ids = draw(st.lists(st.integers(0, 2**32 - 1), unique=True, max_size=4))
    return position, {id_: draw(progresses(position)) for id_ in ids}


@given(notes())
def test_what_was_written_is_read_back(given: tuple[int, dict[int, Progress]]) -> None:
    position, shares = given
    note = encode(position, shares)
    assert note.complete
    assert len(note.text) <= TEXT_LIMIT
    assert note.text.isascii()
    assert decode(position, note.text) == {
        id_: share for id_, share in shares.items() if share.finished or share.attempts
    }


@given(notes(), st.integers(0, 200))
def test_when_it_is_too_long_the_nearest_part_is_kept_and_nothing_invented(
    given: tuple[int, dict[int, Progress]], limit: int
) -> None:
    position, shares = given
    note = encode(position, shares, limit=limit)
    assert len(note.text) <= limit
    for id_, found in decode(position, note.text).items():
        assert found.finished == shares[id_].finished[: len(found.finished)]
        assert list(found.attempts.items()) == list(shares[id_].attempts.items())[: len(found.attempts)]


@given(st.lists(st.floats(1.0, 4e9), min_size=1, max_size=20))
def test_no_attempt_is_due_earlier_than_it_was(dues: list[float]) -> None:
    records = {offset: AttemptRecord(1, 503, due) for offset, due in enumerate(dues)}
    found = decode(0, encode(0, {1: Progress(attempts=records)}).text)[1].attempts
    for offset, due in enumerate(dues):
        assert due <= found[offset].due + 1e-6 < due + 0.2


def test_note_of_a_version_without_due_times_is_understood() -> None:
    shares = {7: Progress(finished=(range(12, 14),), attempts={10: AttemptRecord(2, 503), 11: AttemptRecord(1, None)})}
    assert decode(10, "w@nSw%2LS>C0ssQ{0|5a5") == shares


def test_thousand_records_of_a_dead_target_fit_with_their_pauses() -> None:
    rng = random.Random(7)
    records = {
        offset: AttemptRecord(rng.randint(1, 3), 503, 1_800_000_000 + rng.random() * 60) for offset in range(1000)
    }
    note = encode(0, {1: Progress(attempts=records)})
    assert note.complete
    assert len(decode(0, note.text)[1].attempts) == 1000


def test_twelve_thousand_offsets_finished_at_random_fit() -> None:
    rng = random.Random(7)
    offsets = [offset for offset in range(1, 12_000) if rng.random() < 0.5]
    ranges: list[range] = []
    for offset in offsets:
        if ranges and ranges[-1].stop == offset:
            ranges[-1] = range(ranges[-1].start, offset + 1)
        else:
            ranges.append(range(offset, offset + 1))
    note = encode(0, {1: Progress(finished=tuple(ranges))})
    assert note.complete
    assert decode(0, note.text)[1].finished == tuple(ranges)


def test_one_stuck_record_before_a_million_finished_ones_costs_a_few_characters() -> None:
    assert len(encode(5, {0: Progress(finished=(range(6, 1_000_006),))}).text) < 20


def test_nothing_to_tell_is_no_text() -> None:
    assert encode(5, {0: Progress()}).text == ""
    assert decode(5, "") == {}


@given(st.text(max_size=80) | st.binary(max_size=60).map(lambda raw: "w" + base64.b85encode(raw).decode()))
def test_text_of_somebody_else_means_nothing(text: str) -> None:
    assert decode(5, text) == {}


@pytest.mark.parametrize("size", [1, 100])
def test_text_for_another_position_means_nothing(size: int) -> None:
    text = encode(5, {0: Progress(finished=tuple(range(at, at + 1) for at in range(10, 10 + 2 * size, 2)))}).text
    assert decode(5, text)
    assert decode(6, text) == {}
