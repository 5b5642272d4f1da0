"""Encodes progress beyond a committed offset as text for the commit's metadata; pure.

A successor (after a crash, a rebalance or a reload) decodes it, so that a delivered record stays delivered and a failed
one goes on with its remaining attempts. The text holds, per target, the lengths of the runs of finished offsets and of
the gaps between them, then the attempts and their due times: small numbers in few bytes, compressed when there are
many. When all of it is too long, the part nearest to the committed offset is kept.
"""

from __future__ import annotations

import base64
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

TEXT_LIMIT = 4096  # bytes that a broker takes (`offset.metadata.max.bytes`)
ATTEMPT_RECORDS_LIMIT = 1000  # records per target whose attempts are kept
BINARY_LIMIT = 1024 * 1024  # bytes that a squeezed text may hold: it may be anybody's
PLAIN, SQUEEZED = "w", "W"  # first character: whose text this is, and how to read it
DUE_PLAIN, DUE_SQUEEZED = "v", "V"  # the same, with when attempts are due
DUE_GRAIN = 10  # parts of a second that a due time is rounded up to
WORTH_SQUEEZING = 64  # bytes
SUM_BYTES = 4  # by which a text of somebody else is known: taken for ours it could lose records


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """Attempts that were made at a record in vain."""

    attempts: int
    status: int | None
    """Status of the last response; None: there was none."""
    due: float = 0.0
    """Earliest time of the next attempt, in seconds since 1970."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Progress of one target beyond the committed offset of a partition."""

    finished: tuple[range, ...] = ()
    """Rising, not empty, neither overlapping nor touching."""
    attempts: Mapping[int, AttemptRecord] = field(default_factory=lambda: MappingProxyType({}))
    """By offset, ascending."""


NO_PROGRESS = Progress()


@dataclass(frozen=True, slots=True)
class Note:
    """The text for one commit."""

    text: str
    complete: bool
    """True if the text holds all of the progress."""


def encode(position: int, shares: Mapping[int, Progress], *, limit: int = TEXT_LIMIT) -> Note:
    """Return the progress of a partition's targets (by their ids) as text of at most `limit` characters, all ASCII."""
    kept = max((len(share.finished) for share in shares.values()), default=0)
    complete = all(len(share.attempts) <= ATTEMPT_RECORDS_LIMIT for share in shares.values())
    records = ATTEMPT_RECORDS_LIMIT
    begin = min((each.due for share in shares.values() for each in share.attempts.values() if each.due), default=None)
    base = None if begin is None else math.floor(begin)
    while True:
        parts = (_share(position, id_, share, kept, records, base) for id_, share in shares.items())
        text = _text(position, b"".join(parts), base)
        if len(text) <= limit:
            return Note(text, complete)
        if not kept and not records:
            return Note("", False)
        complete = False
        kept, records = kept * 3 // 4, records * 3 // 4 if kept <= ATTEMPT_RECORDS_LIMIT else records


def decode(position: int, text: str) -> Mapping[int, Progress]:
    """Return what `encode` wrote for that position; nothing for a text that others wrote."""
    try:
        numbers = _numbers(_binary(position, text))
        return dict(_shares(position, numbers, _next(numbers) if text[:1] in (DUE_PLAIN, DUE_SQUEEZED) else None))
    except (ValueError, OverflowError, zlib.error):
        return {}


def _share(position: int, id_: int, share: Progress, kept: int, records_limit: int, base: int | None) -> bytes:
    """`base`: seconds since 1970 that due times are counted from; None: there are none."""
    finished, records = share.finished[:kept], list(share.attempts.items())[:records_limit]
    if not finished and not records:
        return b""
    numbers = [id_, len(finished)]
    at = position
    for run in finished:
        numbers += (run.start - at, len(run))
        at = run.stop
    numbers.append(len(records))
    at = position
    for offset, each in records:
        numbers += (offset - at, each.attempts, each.status or 0)
        at = offset
    if base is not None:  # behind one another, as they are alike: so they take least when they are squeezed
        last = 0
        for _, each in records:
            due = math.ceil((each.due - base) * DUE_GRAIN) + 1 if each.due else 0
            numbers.append((due - last) * 2 if due >= last else (last - due) * 2 - 1)
            last = due
    return _bytes(numbers)


def _shares(position: int, numbers: Iterator[int], base: int | None) -> Iterator[tuple[int, Progress]]:
    for id_ in numbers:
        finished: list[range] = []
        at = position
        for _ in range(_next(numbers)):
            start = at + _next(numbers)
            at = start + _next(numbers)
            finished.append(range(start, at))
        records: dict[int, AttemptRecord] = {}
        at = position
        for _ in range(_next(numbers)):
            at += _next(numbers)
            records[at] = AttemptRecord(_next(numbers), _next(numbers) or None)
        if base is not None:
            due = 0
            for offset, each in records.items():
                step = _next(numbers)
                due += -((step + 1) // 2) if step % 2 else step // 2
                if due:
                    records[offset] = replace(each, due=base + (due - 1) / DUE_GRAIN)
        yield id_, Progress(finished=tuple(finished), attempts=records)


def _bytes(numbers: list[int]) -> bytes:
    """Seven bits to a byte, the lowest first; the eighth says that more follow."""
    found = bytearray()
    for number in numbers:
        left = number
        while left > 0x7F:
            found.append(left & 0x7F | 0x80)
            left >>= 7
        found.append(left)
    return bytes(found)


def _numbers(binary: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in binary:
        number |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield number
            number = shift = 0


def _next(numbers: Iterator[int]) -> int:
    for number in numbers:
        return number
    raise ValueError("the text ends in the middle")


def _text(position: int, binary: bytes, base: int | None) -> str:
    if not binary:
        return ""
    plain, squeezed_kind = PLAIN, SQUEEZED
    if base is not None:
        plain, squeezed_kind, binary = DUE_PLAIN, DUE_SQUEEZED, _bytes([base]) + binary
    sum_ = _sum(position, binary)
    squeezed = zlib.compress(binary) if len(binary) >= WORTH_SQUEEZING else binary
    kind, body = (squeezed_kind, squeezed) if len(squeezed) < len(binary) else (plain, binary)
    return kind + base64.b85encode(sum_ + body).decode("ascii")


def _binary(position: int, text: str) -> bytes:
    if text[:1] not in (PLAIN, SQUEEZED, DUE_PLAIN, DUE_SQUEEZED):
        return b""
    decoded = base64.b85decode(text[1:])
    sum_, binary = decoded[:SUM_BYTES], decoded[SUM_BYTES:]
    if text[:1] in (SQUEEZED, DUE_SQUEEZED):
        inflater = zlib.decompressobj()
        binary = inflater.decompress(binary, BINARY_LIMIT)
    if sum_ != _sum(position, binary):
        raise ValueError("written by somebody else, or for another position")
    return binary


def _sum(position: int, binary: bytes) -> bytes:
    return zlib.crc32(binary, position & 0xFFFFFFFF).to_bytes(SUM_BYTES)
