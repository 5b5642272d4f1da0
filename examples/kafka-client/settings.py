"""The cluster and the engine of the examples: KAFKA_BROKERS, and KAFKA_ENGINE (aiokafka or rdkafka)."""

from __future__ import annotations

import os

from pywatt_kafka.engine.settings import EngineName

BROKERS = os.environ.get("KAFKA_BROKERS", "localhost:9092").split(",")
ENGINE: EngineName = "rdkafka" if os.environ.get("KAFKA_ENGINE") == "rdkafka" else "aiokafka"
