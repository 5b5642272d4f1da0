"""A class of Protobuf messages, as protoc would generate it."""

from __future__ import annotations

from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_FILE = descriptor_pb2.FileDescriptorProto(name="shop/order.proto", package="shop", syntax="proto3")
_MESSAGE = _FILE.message_type.add(name="Order")
_MESSAGE.field.add(name="id", number=1, type=3, label=1)  # int64, optional
_MESSAGE.field.add(name="name", number=2, type=9, label=1)  # string, optional
_POOL = descriptor_pool.Default()
_POOL.Add(_FILE)  # type: ignore[attr-defined, unused-ignore]

OrderMessage: Any = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("shop.Order"))
