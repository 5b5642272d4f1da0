"""Tests of the choice of partitions by keys: they must be those of Kafka's other clients."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import murmur2 as murmur2_of_aiokafka
from hypothesis import given
from hypothesis import strategies as st

from pywatt_kafka.engine.partitioning import murmur2, partition_for


@pytest.mark.parametrize(
    ("data", "hashed"),  # of Kafka's UtilsTest.testMurmur2
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_hashes_of_kafkas_own_tests(data: bytes, hashed: int) -> None:
    assert murmur2(data) == hashed & 0xFFFFFFFF


@given(st.binary(max_size=200))
def test_hashes_are_those_of_aiokafka(data: bytes) -> None:
    assert murmur2(data) == murmur2_of_aiokafka(data)


@given(st.binary(max_size=100), st.integers(1, 1000))
def test_partition_is_the_positive_hash_modulo_the_number(key: bytes, partitions: int) -> None:
    assert partition_for(key, partitions) == (murmur2(key) & 0x7FFFFFFF) % partitions
