"""Decides where reading of a newly assigned partition begins; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pywatt_kafka.records import Offset, TopicPartition

Mode: TypeAlias = Literal["committed", "earliest", "latest"]
"""Start of a stream: the committed offsets; or, regardless of them, the first record, or the end."""
Fallback: TypeAlias = Literal["earliest", "latest", "fail"]
"""Start of a partition without a committed offset, or with one that is out of range."""


@dataclass(frozen=True, slots=True)
class Starts:
    """The start of each partition."""

    at: Mapping[TopicPartition, Offset]
    """Partitions that begin at a committed offset."""
    earliest: frozenset[TopicPartition]
    latest: frozenset[TopicPartition]
    refused: frozenset[TopicPartition]
    """Partitions that must not be read: no offset is committed, and the fallback is to fail."""


def decide_starts(
    partitions: Iterable[TopicPartition],
    committed: Mapping[TopicPartition, Offset],
    *,
    mode: Mode,
    fallback: Fallback,
    appeared: Callable[[TopicPartition], bool],
) -> Starts:
    """Return where partitions begin; `appeared` returns whether one has appeared since the consumer started.

    A partition that has appeared begins at its first record, as `latest` would lose those that were written before the
    group noticed it.
    """
    at: dict[TopicPartition, Offset] = {}
    sought: dict[str, set[TopicPartition]] = {"earliest": set(), "latest": set(), "fail": set()}
    for place in partitions:
        found = committed.get(place) if mode == "committed" else None
        if found is not None:
            at[place] = found
        elif appeared(place):
            sought["earliest"].add(place)
        else:
            sought[fallback if mode == "committed" else mode].add(place)
    return Starts(at, frozenset(sought["earliest"]), frozenset(sought["latest"]), frozenset(sought["fail"]))
