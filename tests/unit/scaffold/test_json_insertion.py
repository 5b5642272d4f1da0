"""Insertion into JSON texts keeps all existing text, character by character."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.scaffold.json_insertion import append_item, insert_key

ITEM = {"id": "new", "path": "web/new"}

items = st.dictionaries(
    st.text(max_size=5), st.text(max_size=5) | st.integers() | st.lists(st.text(max_size=3)), max_size=3
)
documents = st.fixed_dictionaries({"web": st.lists(items, max_size=4), "after": st.text(max_size=5)})
indents = st.sampled_from([None, 0, 1, 2, 4, "\t"])


@given(documents, indents, st.booleans())
def test_the_item_is_added_and_all_else_stays(document: dict[str, Any], indent: int | str | None, crlf: bool) -> None:
    text = json.dumps(document, indent=indent)
    if crlf:
        text = text.replace("\n", "\r\n")
    made = append_item(text, ("web",), ITEM)
    assert json.loads(made) == {**document, "web": [*document["web"], ITEM]}
    if document["web"]:
        # What was there is there, before and after the one place where the item went in.
        places = range(len(text) + 1)
        assert any(made.startswith(text[:place].rstrip()) and made.endswith(text[place:]) for place in places)


@given(documents, indents)
def test_a_key_is_added_in_front(document: dict[str, Any], indent: int | str | None) -> None:
    text = json.dumps(document, indent=indent)
    made = insert_key(text, "entrypoint", 'a"b')
    assert json.loads(made) == {"entrypoint": 'a"b', **document}
    assert list(json.loads(made)) == ["entrypoint", *document]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{ "web": [] }', '{ "web": [\n  { "id": "new", "path": "web/new" }\n] }'),
        (
            '{\n  "web": [\n    { "id": "a" }\n  ]\n}',
            '{\n  "web": [\n    { "id": "a" },\n    { "id": "new", "path": "web/new" }\n  ]\n}',
        ),
        ('{"web": [{"id": "a"}]}', '{"web": [{"id": "a"}, {"id": "new", "path": "web/new"}]}'),
        (
            '{\r\n\t"web": [{\r\n\t\t"id": "a"\r\n\t}]\r\n}',
            '{\r\n\t"web": [{\r\n\t\t"id": "a"\r\n\t}, {\r\n\t\t"id": "new",\r\n\t\t"path": "web/new"\r\n\t}]\r\n}',
        ),
    ],
)
def test_in_the_manner_of_those_before(before: str, after: str) -> None:
    assert append_item(before, ("web",), ITEM) == after


def test_a_list_further_down() -> None:
    text = '{"a": {"web": [{"x": "]"}]}, "web": []}'
    assert json.loads(append_item(text, ("a", "web"), ITEM)) == {"a": {"web": [{"x": "]"}, ITEM]}, "web": []}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{\n  "web": []\n}', '{\n  "entrypoint": "api",\n  "web": []\n}'),
        ('{"web": []}', '{"entrypoint": "api", "web": []}'),
        ('{ "web": [] }', '{ "entrypoint": "api", "web": [] }'),
    ],
)
def test_a_key_in_the_manner_of_the_next(before: str, after: str) -> None:
    assert insert_key(before, "entrypoint", "api") == after
