"""Orders letters for a redrive as their records are in their original topics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple


class Entry(NamedTuple):
    """The position and origin of a letter; small, as there may be many."""

    since: float
    """Time of writing, seconds since 1970."""
    place: tuple[int, int]
    """Partition and offset of the letter itself."""
    topic: str
    """Origin of its record, with the next two fields."""
    partition: int | None
    offset: int | None


def in_origin_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return the letters sorted so that those of each origin partition follow the order of their records.

    Otherwise they stay in the order of writing, so that their topic is read forward: the letters of one origin
    partition only swap their places among each other.
    """
    by_time = sorted(entries, key=lambda entry: (entry.since, entry.place))
    groups: defaultdict[tuple[str, int | None], list[Entry]] = defaultdict(list)
    for entry in by_time:
        if entry.offset is not None:
            groups[entry.topic, entry.partition].append(entry)
    turns = {origin: iter(sorted(group, key=lambda entry: entry.offset or 0)) for origin, group in groups.items()}
    return [entry if entry.offset is None else next(turns[entry.topic, entry.partition]) for entry in by_time]
