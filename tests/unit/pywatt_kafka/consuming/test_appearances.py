"""Which partitions a group has overlooked, by what it has committed and by the age of their records."""

from __future__ import annotations

import pytest

from pywatt_kafka.consuming.appearances import candidates, is_young
from pywatt_kafka.records import TopicPartition


def test_partitions_behind_those_with_commits_were_added() -> None:
    committed = {TopicPartition("a", number): offset for number, offset in enumerate((None, 3, None, None))}
    committed[TopicPartition("b", 0)] = None
    assert candidates(committed) == (frozenset({TopicPartition("a", 2), TopicPartition("a", 3)}), True)


def test_group_without_commits_has_overlooked_nothing() -> None:
    assert candidates({TopicPartition("a", 0): None, TopicPartition("a", 1): None}) == (frozenset(), False)


@pytest.mark.parametrize(
    ("beginning", "end", "since", "young"),
    [
        (0, 5, 0, True),
        (0, 5, 1, False),
        (0, 0, 0, True),
        (7, 7, 7, True),  # empty: its end when the member starts is its beginning
        (7, 9, 7, False),  # records of before are deleted
    ],
)
def test_young_logs(beginning: int, end: int, since: int, young: bool) -> None:
    assert is_young(beginning, end, since) is young
