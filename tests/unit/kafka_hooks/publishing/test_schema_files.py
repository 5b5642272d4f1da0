"""A topic's JSON Schema and its references: to other files, within the file, or unresolved; never to the network."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest

from pywatt_services.kafka_hooks.publishing.schema_files import UnusableSchema, read_schema
from pywatt_services.kafka_hooks.publishing.schema_validator import SchemaValidator

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
CITY = {"type": "object", "required": ["city"]}


def write(folder: Path, **documents: Any) -> None:
    for name, document in documents.items():
        path = folder / f"{name.replace('__', '/')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(document))


def errors(entry: str | dict[str, Any], folder: Path, value: object) -> list[dict[str, str]]:
    schema = pickle.loads(pickle.dumps(read_schema(entry, folder)))  # as it comes to a worker
    return SchemaValidator(schema).errors(json.dumps(value).encode())


def test_references_lead_to_files_seen_from_where_they_stand(tmp_path: Path) -> None:
    write(
        tmp_path,
        schemas__order={
            "properties": {"to": {"$ref": "parts/../address.json"}, "from": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"$ref": "order.json#/$defs/b"}, "b": {"$ref": "../shared.json#/$defs/city"}},
        },
        schemas__address={"$ref": "../shared.json#/$defs/city"},
        shared={"$defs": {"city": CITY}},
    )
    for entry in ("schemas/order.json", {"$ref": "schemas/order.json"}):
        assert errors(entry, tmp_path, {"to": {"city": 1}, "from": {"city": 1}}) == []
        assert [error["path"] for error in errors(entry, tmp_path, {"to": {}, "from": {}})] == ["$.to", "$.from"]


@pytest.mark.parametrize("dialect", ["https://json-schema.org/draft/2020-12/schema", DRAFT_7])
def test_schema_that_has_an_address_of_its_own_finds_its_neighbours_in_its_folder(tmp_path: Path, dialect: str) -> None:
    write(
        tmp_path,
        schemas__order={
            "$schema": dialect,
            "$id": "https://example.com/v1/order.json",
            "properties": {"to": {"$ref": "address.json"}, "schema": {"$ref": DRAFT_7}},
        },
        schemas__address={"$id": "https://example.com/v1/address.json", **CITY},
    )
    assert errors("schemas/order.json", tmp_path, {"to": {"city": 1}, "schema": {"type": "object"}}) == []
    assert len(errors("schemas/order.json", tmp_path, {"to": {}, "schema": {"type": 1}})) == 2


def test_schema_that_refers_to_itself(tmp_path: Path) -> None:
    tree = {"$id": "tree", "properties": {"next": {"$ref": "#"}, "$ref": {"type": "string"}}, "required": ["n"]}
    assert errors(tree, tmp_path, {"n": 1, "next": {"n": 1}}) == []
    assert [error["path"] for error in errors(tree, tmp_path, {"n": 1, "next": {}})] == ["$.next"]
    assert errors({"$ref": "#"}, tmp_path, 1) == [{"path": "$", "message": "it is nested too deeply"}]


@pytest.mark.parametrize(
    ("reference", "message", "hint"),
    [
        ("gone.json", "gone.json cannot be read: No such file", "folder"),
        ("broken.json", "broken.json is not JSON", "JSON Schema"),
        ("wrong.json", "the JSON Schema is not valid: 1 is not valid", "see $.type in wrong.json"),
        ("#/$defs/gone", "there is no such part", "spelt"),
        ("#gone", "there is no such part", "spelt"),
        ("#/required/x", "there is no such part", "spelt"),
        ("#/required", "that is no schema", "an object"),
        ("https://example.com/a.json", "https://example.com/a.json is not a file", "never fetched"),
        ("file://elsewhere/a.json", "is not a file", "never fetched"),
        ("http://[", "cannot be followed", ""),
    ],
)
def test_reference_that_leads_nowhere_is_named(tmp_path: Path, reference: str, message: str, hint: str) -> None:
    (tmp_path / "broken.json").write_text("{")
    write(
        tmp_path,
        order={"properties": {"to": {"$ref": "address.json"}}},
        address={"required": ["a"], "allOf": [{"$ref": reference}]},
        wrong={"type": 1},
    )
    with pytest.raises(UnusableSchema) as caught:
        read_schema("order.json", tmp_path)
    assert f"address.json, $.allOf[0]: $ref '{reference}' cannot be followed: " in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint
