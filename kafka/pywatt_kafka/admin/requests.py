"""Requests that aiokafka lacks. Import it in functions: it imports aiokafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import BytesIO
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import (
    AbstractType,
    Array,
    Boolean,
    Bytes,
    CompactArray,
    CompactString,
    Int8,
    Int16,
    Int32,
    Int64,
    Schema,
    String,
    TaggedFields,
)

DESCRIBE_GROUP, LIST_GROUPS, LEAVE_GROUP, ALTER_CONFIGS, DELETE_OFFSETS = 15, 16, 13, 44, 47
DESCRIBE_CONSUMER_GROUP, DESCRIBE_SHARE_GROUP, SHARE_GROUP_OFFSETS = 69, 77, 90
BY_INSTANCE = ""
"""The member id that stands for the member with the given instance id."""
SET, DELETE = 0, 1
"""Operations on a config (IncrementalAlterConfigs)."""
UUID_BYTES = 16

_TEXT, _COMPACT_TEXT = String("utf-8"), CompactString("utf-8")
_base: Any = Response  # whose types say that each of its attributes is a property


class AnyVersion(Request[RequestStruct]):  # type: ignore[misc]  # aiokafka is Any
    """A request in several versions, of which the newest that the broker knows is sent."""

    API_KEY = -1

    def __init__(self, key: int, *forms: tuple[type[RequestStruct], Sequence[Any]]) -> None:
        """`forms`: each version with its values, oldest first."""
        self.API_KEY = key  # pyright: ignore[reportAttributeAccessIssue]  # aiokafka reads it from the instance
        self._CLASSES = tuple(form for form, _ in forms)  # pyright: ignore[reportAttributeAccessIssue]
        self._values = dict(forms)

    def build(self, request_struct_class: type[RequestStruct]) -> RequestStruct:
        """Return the request in one of its versions."""
        return request_struct_class(*self._values[request_struct_class])


class _Uuid(AbstractType[bytes]):  # type: ignore[misc]
    @classmethod
    def encode(cls, value: bytes) -> bytes:
        return value

    @classmethod
    def decode(cls, data: BytesIO) -> bytes:
        return data.read(UUID_BYTES)


def _version(key: int, version: int, request: Schema, response: Schema, *, flexible: bool = False) -> type[Any]:
    """Return the type of a request in one version."""

    class Answer(_base):  # type: ignore[misc]
        API_KEY = key
        API_VERSION = version
        SCHEMA = response

    class Question(RequestStruct):  # type: ignore[misc]
        API_KEY = key
        API_VERSION = version
        RESPONSE_TYPE = Answer
        SCHEMA = request
        FLEXIBLE_VERSION = flexible

    return Question


_LIST_GROUPS_1 = _version(
    LIST_GROUPS,
    1,
    Schema(),
    Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("groups", Array(("group", _TEXT), ("protocol_type", _TEXT))),
    ),
)
_LIST_GROUPS_5 = _version(
    LIST_GROUPS,
    5,
    Schema(
        ("states_filter", CompactArray(_COMPACT_TEXT)),
        ("types_filter", CompactArray(_COMPACT_TEXT)),
        ("tags", TaggedFields),
    ),
    Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "groups",
            CompactArray(
                ("group", _COMPACT_TEXT),
                ("protocol_type", _COMPACT_TEXT),
                ("state", _COMPACT_TEXT),
                ("type", _COMPACT_TEXT),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    ),
    flexible=True,
)


def list_groups() -> Request[Any]:
    """Ask a broker for its groups; since version 5 (Kafka 3.8) with state and type."""
    return AnyVersion(LIST_GROUPS, (_LIST_GROUPS_1, ()), (_LIST_GROUPS_5, ([], [], {})))


_DESCRIBE_GROUP_4 = _version(
    DESCRIBE_GROUP,
    4,
    Schema(("groups", Array(_TEXT)), ("include_authorized_operations", Boolean)),
    Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", _TEXT),
                ("state", _TEXT),
                ("protocol_type", _TEXT),
                ("assignor", _TEXT),
                (
                    "members",
                    Array(
                        ("member_id", _TEXT),
                        ("instance_id", _TEXT),
                        ("client_id", _TEXT),
                        ("client_host", _TEXT),
                        ("metadata", Bytes),
                        ("assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    ),
)


def describe_group(group: str) -> Request[Any]:
    """Ask for a group of the classic protocol; version 4 (Kafka 2.4) tells the ids of static members."""
    return AnyVersion(DESCRIBE_GROUP, (_DESCRIBE_GROUP_4, ([group], False)))


_DESCRIBE_REQUEST = Schema(
    ("groups", CompactArray(_COMPACT_TEXT)), ("include_authorized_operations", Boolean), ("tags", TaggedFields)
)
_ASSIGNMENT = Schema(
    (
        "topic_partitions",
        CompactArray(
            ("topic_id", _Uuid), ("topic", _COMPACT_TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
        ),
    ),
    ("tags", TaggedFields),
)


def _describe_response(*member: tuple[str, Any]) -> Schema:
    return Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            CompactArray(
                ("error_code", Int16),
                ("error_message", _COMPACT_TEXT),
                ("group", _COMPACT_TEXT),
                ("state", _COMPACT_TEXT),
                ("group_epoch", Int32),
                ("assignment_epoch", Int32),
                ("assignor", _COMPACT_TEXT),
                ("members", CompactArray(*member, ("tags", TaggedFields))),
                ("authorized_operations", Int32),
                ("tags", TaggedFields),
            ),
        ),
        ("tags", TaggedFields),
    )


_DESCRIBE_CONSUMER_GROUP_0 = _version(
    DESCRIBE_CONSUMER_GROUP,
    0,
    _DESCRIBE_REQUEST,
    _describe_response(
        ("member_id", _COMPACT_TEXT),
        ("instance_id", _COMPACT_TEXT),
        ("rack_id", _COMPACT_TEXT),
        ("member_epoch", Int32),
        ("client_id", _COMPACT_TEXT),
        ("client_host", _COMPACT_TEXT),
        ("topics", CompactArray(_COMPACT_TEXT)),
        ("topic_regex", _COMPACT_TEXT),
        ("assignment", _ASSIGNMENT),
        ("target_assignment", _ASSIGNMENT),
    ),
    flexible=True,
)
_DESCRIBE_SHARE_GROUP_1 = _version(
    DESCRIBE_SHARE_GROUP,
    1,
    _DESCRIBE_REQUEST,
    _describe_response(
        ("member_id", _COMPACT_TEXT),
        ("rack_id", _COMPACT_TEXT),
        ("member_epoch", Int32),
        ("client_id", _COMPACT_TEXT),
        ("client_host", _COMPACT_TEXT),
        ("topics", CompactArray(_COMPACT_TEXT)),
        ("assignment", _ASSIGNMENT),
    ),
    flexible=True,
)


def describe_consumer_group(group: str) -> Request[Any]:
    """Ask for a group of the consumer protocol (KIP-848)."""
    return AnyVersion(DESCRIBE_CONSUMER_GROUP, (_DESCRIBE_CONSUMER_GROUP_0, ([group], False, {})))


def describe_share_group(group: str) -> Request[Any]:
    """Ask for a share group (KIP-932)."""
    return AnyVersion(DESCRIBE_SHARE_GROUP, (_DESCRIBE_SHARE_GROUP_1, ([group], False, {})))


def _share_offsets(version: int, *lag: tuple[str, Any]) -> type[Any]:
    return _version(
        SHARE_GROUP_OFFSETS,
        version,
        Schema(
            (
                "groups",
                CompactArray(
                    ("group", _COMPACT_TEXT),
                    (
                        "topics",
                        CompactArray(
                            ("topic", _COMPACT_TEXT), ("partitions", CompactArray(Int32)), ("tags", TaggedFields)
                        ),
                    ),
                    ("tags", TaggedFields),
                ),
            ),
            ("tags", TaggedFields),
        ),
        Schema(
            ("throttle_time_ms", Int32),
            (
                "groups",
                CompactArray(
                    ("group", _COMPACT_TEXT),
                    (
                        "topics",
                        CompactArray(
                            ("topic", _COMPACT_TEXT),
                            ("topic_id", _Uuid),
                            (
                                "partitions",
                                CompactArray(
                                    ("partition", Int32),
                                    ("start_offset", Int64),
                                    ("leader_epoch", Int32),
                                    *lag,
                                    ("error_code", Int16),
                                    ("error_message", _COMPACT_TEXT),
                                    ("tags", TaggedFields),
                                ),
                            ),
                            ("tags", TaggedFields),
                        ),
                    ),
                    ("error_code", Int16),
                    ("error_message", _COMPACT_TEXT),
                    ("tags", TaggedFields),
                ),
            ),
            ("tags", TaggedFields),
        ),
        flexible=True,
    )


_SHARE_OFFSETS_0, _SHARE_OFFSETS_1 = _share_offsets(0), _share_offsets(1, ("lag", Int64))


def share_group_offsets(group: str) -> Request[Any]:
    """Ask how far a share group has got in all its partitions; version 1 (Kafka 4.2, KIP-1226) with its lag."""
    values: Sequence[Any] = ([(group, None, {})], {})
    return AnyVersion(SHARE_GROUP_OFFSETS, (_SHARE_OFFSETS_0, values), (_SHARE_OFFSETS_1, values))


_ALTER_CONFIGS_0 = _version(
    ALTER_CONFIGS,
    0,
    Schema(
        (
            "resources",
            Array(
                ("resource_type", Int8),
                ("resource_name", _TEXT),
                ("configs", Array(("name", _TEXT), ("operation", Int8), ("value", _TEXT))),
            ),
        ),
        ("validate_only", Boolean),
    ),
    Schema(
        ("throttle_time_ms", Int32),
        (
            "responses",
            Array(("error_code", Int16), ("error_message", _TEXT), ("resource_type", Int8), ("resource_name", _TEXT)),
        ),
    ),
)


def alter_configs(resource_type: int, name: str, changes: Mapping[str, str | None]) -> Request[Any]:
    """Set configs, or delete those whose value is None; all others stay (KIP-339)."""
    configs = [(key, DELETE if value is None else SET, value) for key, value in changes.items()]
    return AnyVersion(ALTER_CONFIGS, (_ALTER_CONFIGS_0, ([(resource_type, name, configs)], False)))


_DELETE_OFFSETS_0 = _version(
    DELETE_OFFSETS,
    0,
    Schema(
        ("group", _TEXT),
        ("topics", Array(("topic", _TEXT), ("partitions", Array(Int32)))),
    ),
    Schema(
        ("error_code", Int16),
        ("throttle_time_ms", Int32),
        ("topics", Array(("topic", _TEXT), ("partitions", Array(("partition", Int32), ("error_code", Int16))))),
    ),
)


def delete_offsets(group: str, topics: Mapping[str, Sequence[int]]) -> Request[Any]:
    """Delete what a group has committed of partitions."""
    return AnyVersion(
        DELETE_OFFSETS, (_DELETE_OFFSETS_0, (group, [(topic, list(each)) for topic, each in topics.items()]))
    )


_LEAVE_GROUP_3 = _version(
    LEAVE_GROUP,
    3,
    Schema(("group", _TEXT), ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT)))),
    Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        ("members", Array(("member_id", _TEXT), ("group_instance_id", _TEXT), ("error_code", Int16))),
    ),
)


def leave_group(group: str, instance_id: str) -> Request[Any]:
    """Take a static member out of its group (KIP-345)."""
    return AnyVersion(LEAVE_GROUP, (_LEAVE_GROUP_3, (group, [(BY_INSTANCE, instance_id)])))
