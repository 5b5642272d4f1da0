"""Files with invalid syntax, and YAML's parsing of placeholders."""

from __future__ import annotations

import itertools
import sys
from typing import Any

import pytest

from pywatt.config.files.formats import Format, parse
from pywatt.config.files.malformed import MalformedError

ROOT = {"web": [{"id": "api", "path": "web/api"}]}
TRAILING_COMMA_LINE = 2 if sys.version_info >= (3, 13) else 3
"""The position that Python reports: at the comma, or at the bracket after it."""


@pytest.mark.parametrize(
    ("name", "text", "line", "message", "hint"),
    [
        ("watt.json", '{\n  "web": [],\n}', TRAILING_COMMA_LINE, "is not valid JSON", 'remove the comma before "}"'),
        ("watt.json", '{\n  "web": []\n  "a": 1\n}', 3, "Expecting ',' delimiter (column 3)", ""),
        ("watt.json", '// hi\n{"web": []}', 1, "is not valid JSON", ".json5"),
        ("watt.json", "", 1, "is empty", "{}"),
        ("watt.json", "[]", 1, "holds a list", ""),
        ("watt.json", '{"web": [NaN]}', 0, "NaN is not allowed in JSON", ""),
        ("watt.json5", "{web: []\n entrypoint: 'a'}", 2, 'is not valid JSON5: Expected comma or "}", found "e"', ""),
        ("watt.yaml", "web: [\nentrypoint: a\n  b: c", 3, "is not valid YAML", ""),
        ("watt.yaml", "server: {PORT}:80", 1, "is not valid YAML", "put quotes around"),
        ("watt.toml", 'web = []\nentrypoint = "a\n', 2, "is not valid TOML: Illegal character", ""),
    ],
)
def test_syntax_error(problem: Any, name: str, text: str, line: int, message: str, hint: str) -> None:
    found = problem({name: text})
    assert (found.file, found.line) == (name, line)
    assert message in found.message
    assert hint in found.hint


@pytest.mark.parametrize(
    ("name", "text", "line", "key"),
    [
        ("watt.json", '{\n "web": [\n  {"id": "a",\n   "id": "b"}]}', 4, "web[0].id"),
        ("watt.yaml", "web:\n  - id: a\n    path: x\n    id: b\n", 4, "web[0].id"),
    ],
)
def test_key_twice(problem: Any, name: str, text: str, line: int, key: str) -> None:
    found = problem({name: text})
    assert (found.message.split(" (")[0], found.line, found.key) == ('the key "id" is there twice', line, key)
    assert found.hint == "keep one of them"


@pytest.mark.parametrize(
    ("form", "text", "hint"),
    [
        (Format.JSON, '{"a" 1}', "put a colon"),
        (Format.JSON, '{"a": 1 "b": 2}', "put a comma"),
        (Format.JSON, "{a: 1}", "in double quotes"),
        (Format.JSON, '{"a": }', "write a value"),
        (Format.JSON, '{"a": "b', 'end the text with "'),
        (Format.JSON, '{"a": "b\nc"}', r"write \n"),
        (Format.JSON, '{"a": "\\x"}', "for a backslash"),
        (Format.JSON, "{} x", "remove what follows"),
        (Format.JSON, '{"a": NaN}', "or null"),
        (Format.JSON, "[]", 'as in {"web": []}'),
        (Format.JSON5, "{a: 1 b: 2}", "put a comma"),
        (Format.JSON5, "{a: }", "write a value"),
        (Format.JSON5, "{a: 'b", "end the text"),
        (Format.JSON5, "{a: foo}", "correct the file here"),
        (Format.JSON5, "", "at least {}"),
        (Format.YAML, "a: b: c", '": " in it'),
        (Format.YAML, "a: [1, 2", "close the bracket"),
        (Format.YAML, "a: @x", "put quotes around the value"),
        (Format.YAML, "a: *x", "begins with *"),
        (Format.YAML, "a:\n\tb: 1", "YAML takes no tabs"),
        (Format.YAML, 'a: "b', "end the text"),
        (Format.YAML, "- a\nb: 1", "like its neighbours"),
        (Format.YAML, "a: 1\n---\nb: 2", "keep one document"),
        (Format.YAML, "a: !foo x", "remove the tag"),
        (Format.YAML, "a: &b [*b]", "in place of the alias"),
        (Format.YAML, "a: |x\n b", "correct the line"),
        (Format.YAML, "- a", "as in: web: []"),
        (Format.TOML, "a", "write NAME = VALUE"),
        (Format.TOML, "a = b", "put quotes around text"),
        (Format.TOML, 'a = "b', 'end the text with "'),
        (Format.TOML, "a = 1 b = 2", "on a line of its own"),
        (Format.TOML, "a = 1\na = 2", "keep one of them"),
        (Format.TOML, "a = [1, 2", "close the bracket"),
        (Format.TOML, 'a = "\\q"', "for a backslash"),
        (Format.TOML, "= 1", "put quotes around a key"),
    ],
)
def test_syntax_error_says_what_to_write(form: Format, text: str, hint: str) -> None:
    with pytest.raises(MalformedError) as caught:
        parse(text, form)
    assert hint in caught.value.hint


def test_toml_key_twice(problem: Any) -> None:
    assert "Cannot overwrite a value" in problem({"watt.toml": "web = []\nweb = []\n"}).message


def test_broken_service_files_are_reported_together(app: Any) -> None:
    files = {
        "watt.json": {"web": [{"id": "a", "path": "a"}, {"id": "b", "path": "b"}]},
        "a/watt.json": "{",
        "b/watt.yaml": "x: [",
    }
    assert [problem.file for problem in app.problems(files)] == ["a/watt.json", "b/watt.yaml"]


def test_byte_order_mark_and_wrong_encoding(app: Any, problem: Any) -> None:
    app.write({"web/api/app.py": ""})
    (app.path / "watt.json").write_bytes(b'\xef\xbb\xbf{"web": [{"id": "api", "path": "web/api"}]}')
    assert app.load({}).services[0].id == "api"
    (app.path / "watt.json").write_bytes(b'{\n"web": "\xff"}')
    found = problem({})
    assert (found.message, found.line, found.hint) == ("is not UTF-8", 2, "save the file as UTF-8")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{PORT}", "{PORT}"),
        ("{{PORT}}", "{{PORT}}"),
        ("{PORT:-3042}", "{PORT:-3042}"),
        ("http://{HOST}/x", "http://{HOST}/x"),
        ("[{A}, b]", ["{A}", "b"]),
        ("{a: null}", {"a": None}),
        ("{a: 1, b: }", {"a": 1, "b": None}),
        ("2026-01-02", "2026-01-02"),
        ("12", 12),
    ],
)
def test_yaml_values(text: str, value: Any) -> None:
    assert parse(f"x: {text}", Format.YAML) == {"x": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: &a [*a]", "an alias points to something it is part of"),
        ("8080: x", "the key 8080 is not text"),
        ("x: {on: 1}", "the key on is not text"),
        ("x: {[a]: 1}", "the key this is not text"),
        ("a: !!int x", "is not valid YAML"),
    ],
)
def test_yaml_mistakes(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse(text, Format.YAML)


def test_yaml_anchors_and_merge_keys() -> None:
    text = "a: &a {x: 1}\nb:\n  <<: *a\n  y: 2\nc: *a\n"
    assert parse(text, Format.YAML) == {"a": {"x": 1}, "b": {"x": 1, "y": 2}, "c": {"x": 1}}


def test_empty_yaml_is_an_empty_document() -> None:
    assert parse("# nothing\n", Format.YAML) == {}


def test_aliases_that_repeat_without_end_are_refused(problem: Any) -> None:
    letters = "abcdefghi"
    lists = "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in itertools.pairwise(letters))
    merges = "".join(f"{b}: &{b} {{<<: [{','.join([f'*{a}'] * 9)}]}}\n" for a, b in itertools.pairwise(letters))
    for text in (f"a: &a [x,x,x,x,x,x,x,x,x]\n{lists}", f"a: &a {{x: 1}}\n{merges}"):
        found = problem({"watt.yaml": text})
        assert "aliases repeat more than 10,000 values" in found.message
        assert found.hint


def test_aliases_of_the_usual_kind_are_taken() -> None:
    text = "common: &common {a: 1}\nservices: [" + ",".join(["{<<: *common}"] * 200) + "]\n"
    assert len(parse(text, Format.YAML)["services"]) == 200


@pytest.mark.parametrize("name", ["watt.json", "watt.json5", "watt.toml", "watt.yaml"])
def test_a_number_with_too_many_digits_is_a_problem(problem: Any, name: str) -> None:
    digits = "9" * 10_000
    texts = {"json": f'{{"a": {digits}}}', "json5": f"{{a: {digits}}}", "toml": f"a = {digits}", "yaml": f"a: {digits}"}
    found = problem({name: texts[name.partition(".")[2]]})
    assert "is not valid" in found.message


@pytest.mark.parametrize("value", ["*s3cret", "!s3cret x"])
def test_a_secret_that_yaml_does_not_take_is_not_shown(problem: Any, value: str) -> None:
    found = problem({"watt.yaml": f"env:\n  password: {value}\n"})
    assert found.line == 2
    assert "s3cret" not in found.message + found.hint


@pytest.mark.parametrize("path", ["a" * 5000, "a\0b"])
def test_a_path_that_cannot_be_one_is_a_problem(problem: Any, path: str) -> None:
    assert "there is no folder" in problem({"watt.json": {"web": [{"id": "a", "path": path}]}}).message
