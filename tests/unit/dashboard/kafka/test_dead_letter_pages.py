"""Pages of dead letters look at the newest ones only, however many there are."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import Any

import pytest

from pywatt_kafka.dlq.dead_letter import DeadLetter, Filter
from pywatt_kafka.dlq.topic import FoundLetter
from pywatt_services.dashboard.kafka.dead_letter_routes import SCANNED, filter_of, newest, page, parse_cursor


class Topic:
    """A dead-letter topic of three partitions with a million letters."""

    def __init__(self, each: int = 333_334, error: str = "503") -> None:
        self.read = 0
        self._each = each
        self._error = error

    async def bounds(self) -> Mapping[int, tuple[int, int]]:
        return {0: (0, self._each), 1: (5, self._each), 2: (7, 7)}

    async def letters(
        self, wanted: Filter, *, within: Mapping[int, tuple[int, int]], now: Any = None
    ) -> AsyncGenerator[FoundLetter]:
        for partition, (begin, end) in within.items():
            for offset in range(begin, end):
                self.read += 1
                letter = DeadLetter(
                    partition=partition,
                    offset=offset,
                    topic="orders",
                    origin_partition=partition,
                    origin_offset=offset,
                    origin_time=None,
                    key=b"k",
                    value=b"v",
                    headers=(),
                    error=self._error,
                    status=503,
                    attempts=3,
                    target="http://api/",
                    target_id="t",
                    webhook_id="w",
                    since=1_700_000_000.0 + offset,
                    omitted=False,
                )
                if wanted.accepts(letter, 0.0):
                    yield FoundLetter(letter, redriven=False)


async def test_a_page_reads_no_more_than_it_shows() -> None:
    topic = Topic()
    first = await page(topic, Filter(), 50, {})  # type: ignore[arg-type]
    assert topic.read == len(first["letters"]) == 50
    assert first["count"] == 2 * 333_334 - 5
    assert first["letters"][0]["offset"] == 333_333
    second = await page(topic, Filter(), 50, parse_cursor(first["next"]))  # type: ignore[arg-type]
    places = [(row["partition"], row["offset"]) for row in first["letters"] + second["letters"]]
    assert len(set(places)) == 100
    assert min(offset for _, offset in places) == 333_334 - 50


async def test_pages_end_with_the_oldest_letter() -> None:
    topic, cursor, found = Topic(each=40), dict[int, int](), 0
    got: dict[str, Any] = {}
    for _turn in range(10):
        got = await page(topic, Filter(), 30, cursor)  # type: ignore[arg-type]
        found += len(got["letters"])
        if got["next"] is None:
            break
        cursor = parse_cursor(got["next"])
    assert found == 75
    assert got["next"] is None


async def test_a_filter_that_nothing_passes_ends_its_page() -> None:
    topic = Topic(error="timeout")
    got = await page(topic, Filter(error="nothing has this"), 50, {})  # type: ignore[arg-type]
    assert got["letters"] == []
    assert SCANNED <= topic.read < SCANNED + 100
    assert got["next"] is not None


def test_windows_share_the_count_among_partitions_that_have_letters() -> None:
    assert newest({0: 0, 1: 9, 2: 5}, {0: 100, 1: 10, 2: 5}, 10) == {0: (95, 100), 1: (9, 10)}


@pytest.mark.parametrize("text", ["x", "1", "1:", ":2", "1:2,3"])
def test_a_malformed_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no cursor"):
        parse_cursor(text)


def test_filters_are_those_of_the_command() -> None:
    found = filter_of({"error": "503", "key": "k", "from": "orders", "olderThan": "2h", "newerThan": ""})
    assert found == Filter(topic="orders", error="503", key=b"k", older_than=7200.0)
    with pytest.raises(ValueError, match="soon"):
        filter_of({"newerThan": "soon"})
