"""Positions that librdkafka resets in silence are found among the offsets that it returns."""

from __future__ import annotations

import pytest

from pywatt_kafka.rdkafka.reading.resets import find_reset


@pytest.mark.parametrize(
    ("offsets", "expected", "begin", "found"),
    [
        ([5, 6, 7], 5, 0, None),
        ([5, 8, 9], 5, 0, None),  # a gap: transaction markers, compaction
        ([7, 8], 5, 0, None),
        ([0, 1], 120, 0, (0, 120)),  # beyond the end
        ([6, 7], 2, 6, (0, 2)),  # deleted by retention
        ([7, 8], 2, 6, (0, 2)),
        ([3, 4], 3, 6, None),  # deleted just after it was read
        ([3, 4, 0, 1], 3, 0, (2, 5)),  # created again
        ([3, 4, 9], 3, 9, (2, 5)),
        ([0, 1], -2, 0, None),  # it began at the first record
        ([4, 5], -1, 0, None),
    ],
)
def test_reset(offsets: list[int], expected: int, begin: int, found: tuple[int, int] | None) -> None:
    assert find_reset(offsets, expected, begin) == found
