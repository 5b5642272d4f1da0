"""Selection of a target's records by its filter."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pywatt_kafka import Message
from pywatt_services.kafka_hooks.webhooks.json_path import read_path
from pywatt_services.kafka_hooks.webhooks.record_filter import read_filter

RECORD = Message(
    "orders",
    0,
    0,
    b"eu-1",
    json.dumps({"status": "paid", "total": 5, "vip": True, "note": None, "items": [{"id": "a"}]}).encode(),
    (("Type", b"created"), ("type", b"second"), ("empty", None)),
    0,
)


@pytest.mark.parametrize(
    ("asked", "taken"),
    [
        ({}, True),
        ({"headers": {"type": "created"}}, True),
        ({"headers": {"TYPE": ["deleted", "created"]}}, True),
        ({"headers": {"type": "second"}}, False),
        ({"headers": {"other": "x"}}, False),
        ({"headers": {"other": {"exists": False}}}, True),
        ({"headers": {"other": {"not": "x"}}}, True),
        ({"headers": {"type": {"not": ["created"]}}}, False),
        ({"headers": {"type": {"exists": True, "not": "deleted"}}}, True),
        ({"key": "eu-1"}, True),
        ({"key": {"exists": False}}, False),
        ({"json": {"status": "paid"}}, True),
        ({"json": {"$.status": {"in": ["paid", "sent"]}}}, True),
        ({"json": {"items[0].id": "a"}}, True),
        ({"json": {"items[1].id": "a"}}, False),
        ({"json": {"items.id": "a"}}, False),
        ({"json": {"total": 5}}, True),
        ({"json": {"total": 5.0}}, True),
        ({"json": {"total": "5"}}, False),
        ({"json": {"vip": True}}, True),
        ({"json": {"vip": 1}}, False),
        ({"json": {"note": None}}, True),
        ({"json": {"note": {"exists": True}}}, True),
        ({"json": {"gone": None}}, False),
        ({"json": {"gone": {"exists": False}}}, True),
        ({"json": {"status": "paid"}, "headers": {"type": "deleted"}}, False),
    ],
)
def test_conditions(asked: dict[str, Any], taken: bool) -> None:
    assert read_filter(asked).takes(RECORD) is taken


@pytest.mark.parametrize("value", [None, b"", b"not json", b"[" * 100_000])
def test_value_that_is_no_json_has_nothing(value: bytes | None) -> None:
    record = Message("orders", 0, 0, None, value, (), 0)
    assert not read_filter({"json": {"a": 1}}).takes(record)
    assert read_filter({"json": {"a": {"exists": False}}}).takes(record)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("a", ("a",)), ("a.b", ("a", "b")), ("$.a[0][1].b", ("a", 0, 1, "b")), ("$[3]", (3,)), ("a-b.ü", ("a-b", "ü")),
    ],
)  # fmt: skip
def test_path(text: str, path: tuple[str | int, ...]) -> None:
    assert read_path(text) == path


@pytest.mark.parametrize("text", ["", "$", ".a", "a.", "a..b", "[0]", "a[x]", "a[0", "a[-1]", "a]"])
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not a path|names nothing"):
        read_path(text)
