"""Chooses the partition of a key as Kafka's Java client does: the murmur2 hash, modulo the number of partitions."""

from __future__ import annotations

from functools import lru_cache
from struct import unpack_from

SEED = 0x9747B28C
MIX = 0x5BD1E995
MASK = 0xFFFFFFFF
POSITIVE = 0x7FFFFFFF
CACHED_KEYS = 8192
LONGEST_CACHED = 64  # bytes: longer keys are hashed each time, so that the cache stays small


def partition_for(key: bytes, partitions: int) -> int:
    """Return the partition of a key in a topic with so many partitions."""
    hashed = _cached_murmur2(key) if len(key) <= LONGEST_CACHED else murmur2(key)
    return (hashed & POSITIVE) % partitions


def murmur2(data: bytes) -> int:
    """Return the 32-bit MurmurHash2 of the data, with the seed of Kafka's Java client."""
    length = len(data)
    words = length // 4
    hashed = SEED ^ length
    for word in unpack_from(f"<{words}I", data):
        mixed = word * MIX & MASK
        mixed = (mixed ^ mixed >> 24) * MIX & MASK
        hashed = hashed * MIX & MASK ^ mixed
    if rest := data[4 * words :]:
        hashed = (hashed ^ int.from_bytes(rest, "little")) * MIX & MASK
    hashed = (hashed ^ hashed >> 13) * MIX & MASK
    return hashed ^ hashed >> 15


_cached_murmur2 = lru_cache(CACHED_KEYS)(murmur2)
