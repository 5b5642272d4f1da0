"""Tracing of Kafka clients by OpenTelemetry; importing it needs none of OpenTelemetry's packages."""

from __future__ import annotations

from pywatt_kafka.tracing.instrumentation import KafkaInstrumentation, processing

__all__ = ["KafkaInstrumentation", "processing"]
