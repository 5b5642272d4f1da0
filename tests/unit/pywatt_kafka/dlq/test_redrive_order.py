"""Letters are redriven in the order of their records, regardless of the order of the letters."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka.dlq.redrive_order import Entry, in_origin_order

ORIGINS = st.tuples(st.sampled_from(["a", "b"]), st.integers(0, 1) | st.none(), st.integers(0, 9) | st.none())


@given(st.lists(st.tuples(st.floats(0, 9), ORIGINS), max_size=30))
def test_each_origin_partition_keeps_its_order(given_: list[tuple[float, tuple[str, int | None, int | None]]]) -> None:
    entries = [Entry(since, (0, number), *origin) for number, (since, origin) in enumerate(given_)]
    ordered = in_origin_order(entries)
    assert sorted(entry.place for entry in ordered) == [entry.place for entry in entries]
    offsets: defaultdict[tuple[str, int | None], list[int]] = defaultdict(list)
    for entry in ordered:
        if entry.offset is not None:
            offsets[entry.topic, entry.partition].append(entry.offset)
    assert all(found == sorted(found) for found in offsets.values())


def test_what_was_written_in_order_is_read_forward() -> None:
    written = [Entry(float(moment), (0, moment), "t", moment % 3, moment // 3) for moment in range(9)]
    assert in_origin_order(reversed(written)) == written


def test_a_late_letter_takes_the_place_of_the_first_behind_it() -> None:
    late = Entry(9.0, (1, 0), "t", 0, 0)
    others = [Entry(float(moment), (0, moment), "t", 0, moment) for moment in (1, 2, 3)]
    assert in_origin_order([*others, late]) == [late, *others]
