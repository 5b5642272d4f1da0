"""A Kafka broker in memory for the tests of applications, without Java; `fixtures` has it as a fixture of pytest."""

from __future__ import annotations

from pywatt_kafka.testing.broker import MemoryBroker, broker

__all__ = ["MemoryBroker", "broker"]
