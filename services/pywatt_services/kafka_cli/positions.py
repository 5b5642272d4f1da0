"""Positions in a topic as people write them: earliest, latest, an offset, the last so many, a time (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

import click

from pywatt.logs.search.since import parse_since
from pywatt_kafka.records import TopicPartition

HELP = "earliest, latest, an offset, -N (the last N), a span (10m, 2h), or a moment (2026-03-01T12:30)."


@dataclass(frozen=True, slots=True)
class Last:
    """The last so many records of each partition."""

    count: int


Start: TypeAlias = Literal["earliest", "latest"] | int | Last | datetime


def position(text: str) -> Start:
    """Parse the value of an option. Raises BadParameter."""
    try:
        return parse_start(text, datetime.now().astimezone())
    except ValueError as error:
        raise click.BadParameter(f"{error}; or one of earliest, latest, an offset, -N") from error


def parse_start(text: str, now: datetime) -> Start:
    """Return the position that a text means. Raises ValueError."""
    match text.strip().lower():
        case "earliest" | "beginning":
            return "earliest"
        case "latest" | "end":
            return "latest"
        case number if number.isdecimal():
            return int(number)
        case number if number[:1] == "-" and number[1:].isdecimal():
            return Last(int(number[1:]))
        case _:
            return datetime.fromtimestamp(parse_since(text, now) / 1000, UTC)


def within(
    start: int | Last, beginnings: Mapping[TopicPartition, int], ends: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """Return the offset of a position in each partition, between its beginning and its end."""
    return {
        place: min(max(end - start.count if isinstance(start, Last) else start, beginnings[place]), end)
        for place, end in ends.items()
    }
