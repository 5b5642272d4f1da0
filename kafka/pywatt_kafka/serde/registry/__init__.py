"""Serdes of Avro, JSON Schema and Protobuf with a schema registry, in Confluent's format, by confluent-kafka."""

from __future__ import annotations

from pywatt_kafka.serde.registry.client import SchemaRegistry
from pywatt_kafka.serde.registry.formats import Avro, JsonSchema, Protobuf
from pywatt_kafka.serde.registry.subjects import Subject

__all__ = ["Avro", "JsonSchema", "Protobuf", "SchemaRegistry", "Subject"]
