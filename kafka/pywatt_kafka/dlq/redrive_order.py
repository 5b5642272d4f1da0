"""In which order letters are sent back: that of their records where they come from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class Entry(NamedTuple):
    """One letter among others; small, as there may be many."""

    since: float
    """When it was written: seconds since 1970."""
    place: tuple[int, int]
    """Partition and offset of the letter itself."""
    topic: str
    """Where its record comes from, and the two that follow."""
    partition: int | None
    offset: int | None


def in_origin_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return the letters so that those of each origin partition come in the order of their records.

    Beyond that they come as they were written, so that reading them goes forward through their topic: whichever
    moments the letters of one origin partition have, they share them out among themselves.
    """
    by_time = sorted(entries, key=lambda entry: (entry.since, entry.place))
    groups: defaultdict[tuple[str, int | None], list[Entry]] = defaultdict(list)
    for entry in by_time:
        if entry.offset is not None:
            groups[entry.topic, entry.partition].append(entry)
    turns = {origin: iter(sorted(group, key=lambda entry: entry.offset or 0)) for origin, group in groups.items()}
    return [entry if entry.offset is None else next(turns[entry.topic, entry.partition]) for entry in by_time]
