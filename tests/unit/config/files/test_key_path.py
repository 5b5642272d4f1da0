"""Key paths as text and back, and their lines in a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.diagnostics.positions import line_of
from pywatt.config.files.document import Document
from pywatt.config.files.formats import Format
from pywatt.config.files.json_nodes import json_offsets
from pywatt.config.files.key_path import format_key_path, parse_key_path
from pywatt.config.schema.coerce import coerce

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def keys(data: Any, above: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    children = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [key for name, child in children for key in ((*above, name), *keys(child, (*above, name)))]


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (("web", 2, "workers"), "web[2].workers"),
        (("$schema",), "$schema"),
        (("topics", 0, "headers", "x-a"), "topics[0].headers.x-a"),
        (("a", "b.c", 'q"'), 'a["b.c"]["q\\""]'),
        ((), ""),
    ],
)
def test_text_of_a_key(key: tuple[str | int, ...], text: str) -> None:
    assert format_key_path(key) == text
    assert parse_key_path(text, {"web": [{}, {}, {}], "topics": [{"headers": {}}]}) == key


def test_dotted_positions_are_understood() -> None:
    assert parse_key_path("topics.1.url", {"topics": [{}, {}]}) == ("topics", 1, "url")
    assert parse_key_path("a.1", {"a": {"1": 2}}) == ("a", "1")


@given(JSON, st.sampled_from([None, 2]))
def test_offsets_of_all_keys(data: Any, indent: int | None) -> None:
    text = json.dumps(data, indent=indent)
    offsets = json_offsets(text)
    assert [key for key, _ in offsets] == keys(data)
    for key, offset in offsets:
        if isinstance(key[-1], str):
            assert text.startswith(json.dumps(key[-1]), offset)


def test_line_of_a_key_that_is_not_there_is_that_of_the_nearest_above() -> None:
    text = '{\n "a": [\n  1,\n  {"b": 2}\n ]\n}'
    document = Document(file=Path("x.json"), data=json.loads(text), text=text, format=Format.JSON)
    assert [line_of(document, key) for key in [("a", 1, "b"), ("a", 1, "zz"), ("a", 9), ("zz",), ()]] == [4, 4, 2, 0, 0]


@given(JSON)
def test_document_without_a_schema_is_left_alone(data: Any) -> None:
    assert coerce(data, {}).data == data
