"""The committed offset never passes an unfinished record and never goes back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.kafka_hooks.offsets import OffsetTracker


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
            tracker.take(offset)
        else:
            offset = data.draw(st.sampled_from(sorted(unfinished)))
            unfinished.remove(offset)
            tracker.finish(offset)
        position = tracker.position
        assert position is not None
        assert position == min(unfinished, default=held[-1] + 1)
        assert position >= last
        last = position
        assert tracker.span == len([offset for offset in held if offset >= position])


def test_position_is_unknown_before_the_first_record() -> None:
    assert OffsetTracker().position is None


def test_position_after_the_last_record_is_the_next_offset() -> None:
    tracker = OffsetTracker()
    tracker.take(41)
    tracker.finish(41)
    assert tracker.position == 42
    assert tracker.span == 0


@pytest.mark.parametrize("again", [3, 5])
def test_offset_that_was_taken_is_refused(again: int) -> None:
    tracker = OffsetTracker()
    tracker.take(5)
    assert tracker.knows(again)
    assert not tracker.knows(6)
    with pytest.raises(ValueError, match="taken already"):
        tracker.take(again)
