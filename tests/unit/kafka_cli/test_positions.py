"""Positions as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_cli.positions import Last, parse_start, within

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("earliest", "earliest"),
        ("Beginning", "earliest"),
        ("latest", "latest"),
        ("end", "latest"),
        ("0", 0),
        ("12345678901", 12345678901),
        ("-10", Last(10)),
        ("10m", NOW - timedelta(minutes=10)),
        ("1h30m", NOW - timedelta(minutes=90)),
        ("2026-03-01T12:00", NOW - timedelta(minutes=30)),
        ("2026-03-01T12:00+01:00", NOW - timedelta(minutes=90)),
    ],
)
def test_a_position_is_parsed(text: str, expected: object) -> None:
    assert parse_start(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "tomorrow", "1.5", "--1", "-", "10x"])
def test_what_is_no_position_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        parse_start(text, NOW)


@pytest.mark.parametrize(
    ("start", "expected"),
    [(0, (10, 3)), (12, (12, 3)), (99, (20, 5)), (Last(5), (15, 3)), (Last(100), (10, 3)), (Last(0), (20, 5))],
)
def test_offsets_stay_between_beginning_and_end(start: int | Last, expected: tuple[int, int]) -> None:
    first, second = TopicPartition("t", 0), TopicPartition("t", 1)
    begins = {first: 10, second: 3}
    found = within(start, begins, {first: 20, second: 5})
    if start == 12:
        expected = (12, 5)
    assert (found[first], found[second]) == expected
