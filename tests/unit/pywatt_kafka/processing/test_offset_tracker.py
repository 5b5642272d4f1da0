"""The committed offset never passes an unfinished record and never goes back; a successor repeats nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka.processing import offset_tracker as module
from pywatt_kafka.processing.commit_metadata import AttemptRecord, Progress
from pywatt_kafka.processing.offset_tracker import OffsetTracker


@given(st.data())
def test_position_is_the_lowest_unfinished_offset(data: st.DataObject) -> None:
    # offsets rise with gaps, as they do in compacted topics
    offsets = sorted(data.draw(st.sets(st.integers(0, 10_000), max_size=40)))
    tracker = OffsetTracker()
    taken = iter(offsets)
    held: list[int] = []
    unfinished: set[int] = set()
    last = -1
    while True:
        can_take = len(held) < len(offsets)
        if not can_take and not unfinished:
            break
        if can_take and (not unfinished or data.draw(st.booleans())):
            offset = next(taken)
            held.append(offset)
            unfinished.add(offset)
            assert tracker.take(offset)
        else:
            offset = data.draw(st.sampled_from(sorted(unfinished)))
            unfinished.remove(offset)
            tracker.finish(offset)
        position = tracker.position
        assert position is not None
        assert position == min(unfinished, default=held[-1] + 1)
        assert position >= last
        last = position
        finished = [offset for run in tracker.progress(position).finished for offset in run]
        assert finished == [offset for offset in range(position, held[-1] + 1) if offset not in unfinished]


@given(st.data())
def test_successor_of_successors_works_on_each_record_once(data: st.DataObject) -> None:
    """Workers replace one another at any moment; each begins at its predecessor's committed offset."""
    log = sorted(data.draw(st.sets(st.integers(0, 60), min_size=1)))
    worked_on: list[int] = []
    start, before = 0, Progress()
    for _ in range(4):
        tracker = OffsetTracker(start, before)
        open_: list[int] = []
        for offset in (offset for offset in log if offset >= start):
            if data.draw(st.booleans()) and data.draw(st.booleans()):
                break
            if tracker.take(offset):
                open_.append(offset)
        for offset in data.draw(st.permutations(open_))[: data.draw(st.integers(0, len(open_)))]:
            tracker.finish(offset)
            worked_on.append(offset)
        position = tracker.position
        assert position is not None
        start, before = position, tracker.progress(position)
    assert len(worked_on) == len(set(worked_on))
    done = set(worked_on)
    assert all(offset in done for offset in log if offset < start)
    assert {offset for run in before.finished for offset in run} & set(log) == {o for o in done if o >= start}


def test_share_that_is_ahead_tells_all_from_the_common_position_on() -> None:
    tracker = OffsetTracker(5)
    for offset in (5, 6, 7, 8):
        tracker.take(offset)
    for offset in (5, 6, 8):
        tracker.finish(offset)
    assert tracker.position == 7
    assert tracker.progress(5).finished == (range(5, 7), range(8, 9))


def test_share_of_which_nothing_is_finished_tells_what_lies_before_it() -> None:
    tracker = OffsetTracker(5)
    for offset in (5, 6, 7):
        tracker.take(offset)
    assert tracker.progress(5).finished == ()
    assert tracker.progress(3).finished == (range(3, 5),)


def test_attempts_are_kept_until_their_record_is_finished() -> None:
    before = Progress(attempts={5: AttemptRecord(2, 500), 7: AttemptRecord(1, None)})
    tracker = OffsetTracker(5, before)
    assert tracker.progress(5) == before
    for offset in (5, 6, 7):
        tracker.take(offset)
    assert (tracker.attempt_record(5), tracker.attempt_record(6)) == (AttemptRecord(2, 500), None)
    tracker.try_again(6, AttemptRecord(1, 503))
    tracker.finish(5)
    assert tracker.progress(6).attempts == {6: AttemptRecord(1, 503), 7: AttemptRecord(1, None)}


def test_attempts_at_a_record_that_is_gone_are_forgotten() -> None:
    tracker = OffsetTracker(5, Progress(attempts={6: AttemptRecord(1, 500)}))
    tracker.take(9)
    assert tracker.progress(9).attempts == {}


def test_one_stuck_record_keeps_no_memory_of_those_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLACK", 10)
    tracker = OffsetTracker()
    tracker.take(0)
    for offset in range(1, 1000):
        tracker.take(offset)
        tracker.finish(offset)
        assert len(tracker._taken) <= 13
    assert tracker.position == 0
    assert tracker.progress(0).finished == (range(1, 1000),)


def test_position_is_unknown_before_the_first_record() -> None:
    assert OffsetTracker().position is None
    assert OffsetTracker(7).position == 7


def test_position_after_the_last_record_is_the_next_offset() -> None:
    tracker = OffsetTracker()
    tracker.take(41)
    tracker.finish(41)
    assert tracker.position == 42


@pytest.mark.parametrize("again", [3, 5])
def test_offset_that_was_taken_is_refused(again: int) -> None:
    tracker = OffsetTracker()
    tracker.take(5)
    with pytest.raises(ValueError, match="taken already"):
        tracker.take(again)
