"""Both libraries get the same fetch settings, under their own names."""

from __future__ import annotations

import pytest
from aiokafka import AIOKafkaConsumer
from confluent_kafka import Consumer as NativeConsumer

from pywatt_kafka import Fetching, Isolation
from pywatt_kafka.aiokafka import client as aiokafka_client
from pywatt_kafka.rdkafka.settings import client as rdkafka_client
from pywatt_kafka.security.options import NONE

SMALL = Fetching(isolation=Isolation.READ_UNCOMMITTED, min_bytes=10, max_bytes=1000, max_wait=0.25)


def test_what_is_aborted_is_not_read_by_default() -> None:
    assert aiokafka_client.fetch_settings(Fetching())["isolation_level"] == "read_committed"
    assert rdkafka_client.fetch_settings(Fetching())["isolation.level"] == "read_committed"


def test_words_of_both() -> None:
    assert aiokafka_client.fetch_settings(SMALL) == {
        "isolation_level": "read_uncommitted",
        "fetch_min_bytes": 10,
        "fetch_max_bytes": 1000,
        "max_partition_fetch_bytes": 1000,
        "fetch_max_wait_ms": 250,
    }
    assert rdkafka_client.fetch_settings(SMALL) == {
        "isolation.level": "read_uncommitted",
        "fetch.min.bytes": 10,
        "fetch.max.bytes": 1000,
        "message.max.bytes": 1000,
        "max.partition.fetch.bytes": 1000,
        "fetch.wait.max.ms": 250,
    }


def test_no_broker_is_kept_from_answering_for_long() -> None:
    assert aiokafka_client.fetch_settings(Fetching(max_wait=60.0))["fetch_max_wait_ms"] == 3000


@pytest.mark.anyio
@pytest.mark.parametrize("fetching", [Fetching(), SMALL, Fetching(min_bytes=10**8, max_bytes=2**31 - 513)])
async def test_libraries_take_them(fetching: Fetching) -> None:
    NativeConsumer(
        {
            **rdkafka_client.client_settings(["a:1"], "c", NONE),
            "group.id": "g",
            **rdkafka_client.fetch_settings(fetching),
        }
    ).close()
    await AIOKafkaConsumer(**aiokafka_client.fetch_settings(fetching)).stop()
