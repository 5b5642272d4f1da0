"""Where reading of a newly assigned partition begins."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

import pytest

from pywatt_kafka.consuming.start_positions import Fallback, Mode, decide_starts
from pywatt_kafka.records import Offset, TopicPartition

OLD, NEW, COMMITTED = (TopicPartition("orders", number) for number in range(3))
OFFSETS = {COMMITTED: Offset(7, "note")}


@pytest.mark.parametrize(
    ("mode", "fallback", "earliest", "latest", "refused"),
    [
        ("committed", "earliest", {OLD, NEW}, set(), set()),
        ("committed", "latest", {NEW}, {OLD}, set()),
        ("committed", "fail", {NEW}, set(), {OLD}),
        ("earliest", "fail", {OLD, NEW, COMMITTED}, set(), set()),
        ("latest", "fail", {NEW}, {OLD, COMMITTED}, set()),
    ],
)
def test_starts(
    mode: Mode,
    fallback: Fallback,
    earliest: AbstractSet[TopicPartition],
    latest: AbstractSet[TopicPartition],
    refused: AbstractSet[TopicPartition],
) -> None:
    starts = decide_starts(
        [OLD, NEW, COMMITTED], OFFSETS, mode=mode, fallback=fallback, appeared=lambda place: place == NEW
    )
    assert (starts.earliest, starts.latest, starts.refused) == (earliest, latest, refused)
    assert starts.at == (OFFSETS if mode == "committed" else {})
