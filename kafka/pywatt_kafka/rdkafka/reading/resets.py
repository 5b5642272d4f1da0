"""Finds where librdkafka has reset a position that is not in the log: it continues at the first record without a word.

Its setting to report them instead stops the partition for good: only a new assignment of all would start it again.
"""

from __future__ import annotations

from collections.abc import Sequence


def find_reset(offsets: Sequence[int], expected: int, begin: int) -> tuple[int, int] | None:
    """Return how many of the records were read before a reset, and the position that is not in the log; or None.

    `offsets`: of the records of one partition, in the order of reading. `expected`: offset after the last one before
    them; negative if it is not known. `begin`: offset of the first record in the log. Offsets without a record, such as
    those of transaction markers, are no reset.
    """
    for index, offset in enumerate(offsets):
        if expected >= 0 and is_reset(offset, expected, begin):
            return index, expected
        expected = offset + 1
    return None


def is_reset(offset: int, expected: int, begin: int) -> bool:
    """Return whether reading has gone back, or forward to the first record of the log."""
    return offset < expected or expected < begin <= offset
