"""The serdes of Avro, JSON Schema and Protobuf: the id of the schema, then the data."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Any, Generic, TypeVar, overload

from pywatt_kafka.records import Headers
from pywatt_kafka.serde.protocols import Field
from pywatt_kafka.serde.registry.blocking_call import BlockingCall
from pywatt_kafka.serde.registry.client import SchemaRegistry, registry_module
from pywatt_kafka.serde.registry.subjects import Subject, subject_strategy
from pywatt_kafka.serde.typed_values import converter

T = TypeVar("T")
Typed = TypeVar("Typed")
Function = Callable[[Any, Any], Any]


class _RegistrySerde(ABC, Generic[T]):
    """A serde with a registry; has one function of the library for each topic and field, as these cache subjects."""

    def __init__(
        self, registry: SchemaRegistry, *, subject: Subject, auto_register: bool, use_latest: bool, normalize: bool
    ) -> None:
        self._registry = registry
        self._strategy = subject_strategy(subject)
        self._writing = {
            "auto.register.schemas": auto_register and not use_latest,
            "use.latest.version": use_latest,
            "normalize.schemas": normalize,
            "subject.name.strategy": self._strategy,
        }
        self._reading = {"subject.name.strategy": self._strategy}
        self._context: Any = registry_module("serialization").SerializationContext
        self._serializers: dict[tuple[str, Field], tuple[BlockingCall, Any]] = {}
        self._deserializers: dict[tuple[str, Field], tuple[BlockingCall, Any]] = {}

    def serialize(self, data: T, topic: str, field: Field, /) -> bytes | Awaitable[bytes | None] | None:
        """Return the id of the schema and the data, after registering the schema if that is needed.

        Raises KafkaUnavailable while the registry does not answer, NotAuthorized, and an exception for data that does
        not fit the schema or a schema that does not fit its subject.
        """
        if data is None:
            return None
        call, context = self._serializers.get((topic, field)) or self._add(
            self._serializers, self._serializer, topic, field
        )
        return call(data, context)

    def deserialize(self, data: bytes | None, topic: str, field: Field, headers: Headers, /) -> T | Awaitable[T]:
        """Return the data, read by the schema that it was written with. Raises as `serialize` does."""
        if data is None:
            return None  # type: ignore[return-value]
        call, context = self._deserializers.get((topic, field)) or self._add(
            self._deserializers, self._deserializer, topic, field
        )
        if headers:  # may hold the id of the schema
            context = self._context(topic, field, list(headers))
        return call(data, context)

    def _add(
        self,
        calls: dict[tuple[str, Field], tuple[BlockingCall, Any]],
        make: Callable[[], Function],
        topic: str,
        field: Field,
    ) -> tuple[BlockingCall, Any]:
        added = calls[topic, field] = BlockingCall(self._registry, make), self._context(topic, field, [])
        return added

    @abstractmethod
    def _serializer(self) -> Function:
        """Make a serializer of the library."""

    @abstractmethod
    def _deserializer(self) -> Function:
        """Make a deserializer of the library."""


class Avro(_RegistrySerde[T]):
    """Writes and reads Avro: plain data, or values of a type that `Json` takes too.

    `schema`: Avro's JSON, or a Schema of confluent_kafka with references. Reading converts data to it; None: data is
    read as it was written, and nothing can be written.
    """

    @overload
    def __init__(
        self: Avro[Any],
        registry: SchemaRegistry,
        schema: Any = None,
        *,
        subject: Subject = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
        normalize: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: Avro[Typed | None],
        registry: SchemaRegistry,
        schema: Any,
        kind: type[Typed],
        *,
        subject: Subject = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
        normalize: bool = False,
    ) -> None: ...
    def __init__(self, registry: SchemaRegistry, schema: Any = None, kind: Any = None, **options: Any) -> None:
        """`auto_register`: register the schema on first use; else it must be known. `use_latest`: write by the newest.

        Raises MissingDependency, and ValueError for an unknown `subject`.
        """
        super().__init__(registry, **_defaults(options))
        self._library = registry_module("schema_registry.avro")
        self._schema = schema
        self._types = None if kind is None else converter(kind)

    def _serializer(self) -> Function:
        if self._schema is None and not self._writing["use.latest.version"]:
            raise ValueError("this Avro serde only reads, as it has no schema: give one, or use_latest=True")
        types = self._types
        to_dict = None if types is None else lambda data, _: types.to_plain(data)
        return self._library.AvroSerializer(  # type: ignore[no-any-return]
            self._registry.client, self._schema, to_dict, self._writing
        )

    def _deserializer(self) -> Function:
        types = self._types
        from_dict = None if types is None else lambda data, _: types.from_plain(data)
        return self._library.AvroDeserializer(  # type: ignore[no-any-return]
            self._registry.client, self._schema, from_dict, conf=self._reading
        )


class JsonSchema(_RegistrySerde[T]):
    """Writes and reads JSON that fits a JSON Schema: plain data, or values of a type that `Json` takes too.

    `schema`: text, a dict, or a Schema of confluent_kafka with references; None: the one that the library of the type
    makes of it. Data is validated both ways.
    """

    @overload
    def __init__(
        self: JsonSchema[Any],
        registry: SchemaRegistry,
        schema: Any = None,
        *,
        subject: Subject = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
        normalize: bool = False,
    ) -> None: ...
    @overload
    def __init__(
        self: JsonSchema[Typed | None],
        registry: SchemaRegistry,
        schema: Any = None,
        *,
        kind: type[Typed],
        subject: Subject = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
        normalize: bool = False,
    ) -> None: ...
    def __init__(self, registry: SchemaRegistry, schema: Any = None, *, kind: Any = None, **options: Any) -> None:
        """Take the options of Avro. Raises as Avro does."""
        super().__init__(registry, **_defaults(options))
        self._library = registry_module("schema_registry.json_schema")
        self._types = None if kind is None else converter(kind)
        if schema is None and self._types is not None:
            schema = self._types.json_schema()
        self._schema = json.dumps(schema) if isinstance(schema, dict) else schema

    def _serializer(self) -> Function:
        if self._schema is None and not self._writing["use.latest.version"]:
            raise ValueError("this JsonSchema serde only reads, as it has no schema: give one, or use_latest=True")
        types = self._types
        to_dict = None if types is None else lambda data, _: json.loads(types.to_json(data))
        return self._library.JSONSerializer(  # type: ignore[no-any-return]
            self._schema, self._registry.client, to_dict, self._writing
        )

    def _deserializer(self) -> Function:
        types = self._types
        from_dict = None if types is None else lambda data, _: types.from_json(json.dumps(data).encode())
        return self._library.JSONDeserializer(  # type: ignore[no-any-return]
            self._schema, from_dict, self._registry.client, self._reading
        )


class Protobuf(_RegistrySerde[T | None]):
    """Writes and reads messages of one class that protoc has generated."""

    def __init__(
        self,
        registry: SchemaRegistry,
        message: type[T],
        *,
        subject: Subject = "topic",
        auto_register: bool = True,
        use_latest: bool = False,
        normalize: bool = False,
    ) -> None:
        """Take the options of Avro. Raises MissingDependency, and ValueError for an unknown `subject`."""
        super().__init__(
            registry, subject=subject, auto_register=auto_register, use_latest=use_latest, normalize=normalize
        )
        self._library = registry_module("schema_registry.protobuf")
        self._message = message

    def _serializer(self) -> Function:
        settings = {**self._writing, "use.deprecated.format": False}
        return self._library.ProtobufSerializer(  # type: ignore[no-any-return]
            self._message, self._registry.client, settings
        )

    def _deserializer(self) -> Function:
        settings = {**self._reading, "use.deprecated.format": False}
        return self._library.ProtobufDeserializer(  # type: ignore[no-any-return]
            self._message, settings, self._registry.client
        )


def _defaults(options: dict[str, Any]) -> dict[str, Any]:
    return {"subject": "topic", "auto_register": True, "use_latest": False, "normalize": False, **options}
