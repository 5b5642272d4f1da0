"""Serializers and deserializers of record keys and values: bytes, strings, JSON.

Importing it is light: msgspec, pydantic and the schema registry's client are loaded by those who use them.
"""

from __future__ import annotations

from pywatt_kafka.serde.json_serde import Json
from pywatt_kafka.serde.primitives import Bytes, String
from pywatt_kafka.serde.protocols import Deserializer, Field, Serde, Serializer
from pywatt_kafka.serde.serializers import (
    Deserializers,
    Serializers,
    bytes_deserializers,
    bytes_serializers,
    json_deserializers,
    json_serializers,
    string_deserializers,
    string_serializers,
)

__all__ = [
    "Bytes",
    "Deserializer",
    "Deserializers",
    "Field",
    "Json",
    "Serde",
    "Serializer",
    "Serializers",
    "String",
    "bytes_deserializers",
    "bytes_serializers",
    "json_deserializers",
    "json_serializers",
    "string_deserializers",
    "string_serializers",
]
