"""The schemas are valid, and agree where they must."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import pywatt_schemas
from pywatt_schemas import LATER, SUPPORT

NAMES = sorted(file.stem for file in Path(pywatt_schemas.__file__).parent.glob("*.json"))
NO_TYPES = {"health-probes", "logger", "metrics", "plugins", "runtime", "service", "telemetry"}
TYPES = [name for name in NAMES if name not in NO_TYPES]
OURS = {"x-pywatt-support", "x-pywatt-reason", "x-pywatt-split", "x-pywatt-expects"}


def nodes(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(node for child in value.values() for node in nodes(child))]
    return [node for child in value for node in nodes(child)] if isinstance(value, list) else []


def test_there_is_one_per_built_in_type() -> None:
    assert {"command", "gateway", "health", "kafka-broker", "kafka-hooks", "python"} <= set(TYPES)


@pytest.mark.parametrize("name", NAMES)
def test_is_a_valid_schema_with_a_title(name: str) -> None:
    schema = pywatt_schemas.load(name)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema["title"]


@pytest.mark.parametrize("name", NAMES)
def test_annotations_are_those_we_know(name: str) -> None:
    for node in nodes(pywatt_schemas.load(name)):
        assert {key for key in node if key.startswith("x-")} <= OURS
        assert node.get(SUPPORT, LATER) == LATER


@pytest.mark.parametrize("name", NAMES)
def test_references_lead_somewhere(name: str) -> None:
    schema = pywatt_schemas.load(name)
    whole = schema if name == "runtime" else pywatt_schemas.service_file(schema)
    for node in nodes(whole):
        target: Any = whole
        for part in node.get("$ref", "#").removeprefix("#").strip("/").split("/"):
            target = target[part] if part else target


@pytest.mark.parametrize("name", TYPES)
def test_type_refuses_unknown_keys_and_gets_the_shared_ones(name: str) -> None:
    own = pywatt_schemas.load(name)
    assert own["additionalProperties"] is False
    whole = pywatt_schemas.service_file(own)
    assert {"$schema", "type", "module", "logger", "watch", *own["properties"]} <= set(whole["properties"])
    for key, schema in own["properties"].items():
        assert whole["properties"][key] == schema


def test_runtime_block_has_the_keys_of_the_top_level() -> None:
    properties = dict(pywatt_schemas.load("runtime")["properties"])
    block = properties.pop("runtime")["properties"]
    only_at_the_top = {"$schema", "type", "module", "entrypoint", "web", "services", "applications", "autoload"}
    assert set(block) - {"application"} == set(properties) - only_at_the_top


def test_unknown_name() -> None:
    with pytest.raises(FileNotFoundError):
        pywatt_schemas.load("nothing")


def undescribed(schema: Mapping[str, Any], part: Any, path: str = "") -> Iterator[str]:
    """Yield every key without a description, including those that have no effect yet."""
    for name, child in part.get("properties", {}).items():
        own: Any = child
        while isinstance(own, Mapping) and "$ref" in own and "description" not in own:
            target: Any = schema
            for step in own["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            own = target
        if not isinstance(own, Mapping) or not str(own.get("description", "")).strip():
            yield f"{path}.{name}"
        if isinstance(child, Mapping):
            yield from undescribed(schema, child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties", "if", "then", "else", "not", "contains"):
        if isinstance(part.get(keyword), Mapping):
            yield from undescribed(schema, part[keyword], path)
    for keyword in ("anyOf", "oneOf", "allOf"):
        for child in part.get(keyword, ()):
            yield from undescribed(schema, child, path)
    for keyword in ("$defs", "patternProperties"):
        for name, child in part.get(keyword, {}).items():
            yield from undescribed(schema, child, f"{path}/{name}")


FILES = sorted(Path(pywatt_schemas.__file__).parent.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.stem))
def test_every_key_says_what_it_is_for(file: Path) -> None:
    schema = pywatt_schemas.load(file.stem)
    assert list(undescribed(schema, schema)) == []


def test_every_schema_has_a_name_of_its_own() -> None:
    names = [json.loads(file.read_bytes())["$id"] for file in FILES]
    assert len(set(names)) == len(FILES)
