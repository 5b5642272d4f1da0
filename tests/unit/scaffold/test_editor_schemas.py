"""Schemas for editors: they are valid, and allow only placeholders in addition to the loader's schemas."""

from __future__ import annotations

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from pywatt.scaffold.editor_schemas import for_editors, schema_file
from pywatt.service_type import registered

NAMES = ["watt", *sorted(registered())]


def allows(schema: dict[str, Any], value: Any) -> bool:
    return bool(Draft202012Validator(for_editors(schema)).is_valid(value))


@pytest.mark.parametrize("name", NAMES)
def test_every_one_is_a_valid_schema(name: str) -> None:
    path, text = schema_file(name)
    assert str(path) == f".pywatt/schemas/{name}.json"
    Draft202012Validator.check_schema(json.loads(text))


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 1},
        {"type": ["integer", "null"]},
        {"type": "boolean"},
        {"enum": ["a", "b"]},
        {"type": "string", "pattern": "^/"},
        {"type": "array", "items": {"type": "string"}, "x-pywatt-split": ","},
        {"anyOf": [{"type": "boolean"}, {"type": "integer"}]},
    ],
)
def test_a_placeholder_may_stand_for_it(schema: dict[str, Any]) -> None:
    assert allows(schema, "{NAME}")
    assert allows(schema, "{NAME:-default}")
    assert not allows(schema, "none")
    nested = {"properties": {"a": schema}, "$defs": {"b": schema}, "items": schema}
    assert allows(nested, {"a": "{NAME}"})


def test_numbers_keep_their_limits_and_what_is_told_of_them() -> None:
    schema = {"type": "integer", "maximum": 5, "description": "How many.", "default": 1}
    assert not allows(schema, 6)
    made = for_editors(schema)
    assert made["description"] == "How many."
    assert made["default"] == 1


def test_unknown_keys_are_still_refused() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
    assert allows(schema, {"a": "{A}"})
    assert not allows(schema, {"b": 1})
