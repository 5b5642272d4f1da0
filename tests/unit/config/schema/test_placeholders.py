"""Placeholders: one literal pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.schema.placeholders import expand, expand_text

ENV = {"A": "one", "B_2": "two", "EMPTY": "", "BRACES": "{A} $& \\1 {{A}}"}
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
PLAIN = st.text(st.characters(exclude_characters="{}\\$"), max_size=10)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{A}", "one"),
        ("{{A}}", "one"),
        ("x{A}-{B_2}y", "xone-twoy"),
        ("{A", "{A"),
        ("{ A }", "{ A }"),
        ("{a-b}", "{a-b}"),
        ("^[a-z]{3}$", "^[a-z]{3}$"),
        ("{EMPTY}", ""),
        ("{EMPTY:-d}", "d"),
        ("{A:-d}", "one"),
        ("{NO:-d:1/x}", "d:1/x"),
        ("{{NO:-d}}", "d"),
        ("{NO:-}", ""),
        ("{BRACES}", "{A} $& \\1 {{A}}"),
        ("{NO:-{A}}", "one"),
        ('{NO:-{"a": "{A}"}}', '{"a": "one"}'),
        ("{NO:-{A}", "{NO:-one"),
        ("", ""),
    ],
)
def test_text(text: str, expected: str) -> None:
    assert expand_text(text, ENV.get)[0] == expected


def test_missing_names_are_listed_once_and_left_in_place() -> None:
    text, used, unset = expand_text("{X}{Y}{X}{A}", ENV.get)
    assert (text, used, [one.name for one in unset]) == ("{X}{Y}{X}one", ("X", "Y", "A"), ["X", "Y"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "one"),
        ("${{A}}", "one"),
        ("http://${A}:${B_2}/", "http://one:two/"),
        ("${NO:-x}", "x"),
        ("${NO-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${EMPTY-x}", ""),
        ("${NO:-${NO:-${A}}}", "one"),
        ("${A:?must be set}", "one"),
        ("${A:+set}${NO:+set}${EMPTY:+set}${EMPTY+set}", "setset"),
        ("$A $ $$ $1", "$A $ $$ $1"),
        ("${A%.txt} ${#A} ${A//a/b} $(A)", "${A%.txt} ${#A} ${A//a/b} $(A)"),
        ("{A:?x} {A-x} {A:+x}", "{A:?x} {A-x} {A:+x}"),
    ],
)
def test_a_dollar_before_the_braces_belongs_to_the_placeholder(text: str, expected: str) -> None:
    assert expand_text(text, ENV.get)[::2] == (expected, ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$${A}", "${A}"),
        ("$${A:-x}", "${A:-x}"),
        ("$$${A}", "$one"),
        ("\\{A}", "{A}"),
        ("\\{{A}}", "{{A}}"),
        ("\\${A}", "${A}"),
        ("\\\\{A}", "\\one"),
        ("awk '\\{print}'", "awk '{print}'"),
        ("awk '{print $1}'", "awk '{print $1}'"),
        ('{"a": {"b": 1}}', '{"a": {"b": 1}}'),
        ("\\{3} \\d{2,}", "\\{3} \\d{2,}"),
        ("function f() { return }", "function f() { return }"),
    ],
)
def test_what_looks_like_a_placeholder_can_be_written(text: str, expected: str) -> None:
    assert expand_text(text, ENV.get) == (expected, ("A",) if "one" in expected else (), ())


def test_a_variable_that_has_to_be_set_is_missing_with_its_message() -> None:
    _, _, (unset,) = expand_text("x${NO:?ask ops}y", ENV.get)
    assert (unset.name, unset.written, unset.message) == ("NO", "${NO:?ask ops}", "ask ops")


@given(st.text(alphabet="{}$\\A:-?+ x\n", max_size=40))
def test_any_text_is_taken(text: str) -> None:
    expand_text(text, ENV.get)


def test_deep_defaults_end() -> None:
    text = "{X:-" * 5000 + "a" + "}" * 5000
    assert expand_text(text, ENV.get)[0].count("{") < 5000


def test_document() -> None:
    expansion = expand({"{A}": ["{A}", 1, {"b": "{X}"}], "c": None}, ENV.get)
    assert expansion.data == {"{A}": ["one", 1, {"b": "{X}"}], "c": None}
    assert expansion.variables == {("{A}", 0): ("A",), ("{A}", 2, "b"): ("X",)}
    assert [(key, unset.name) for key, unset in expansion.missing] == [(("{A}", 2, "b"), "X")]


@given(st.lists(st.tuples(PLAIN, NAMES, st.text(max_size=20)), max_size=5), PLAIN)
def test_values_are_taken_literally(parts: list[tuple[str, str, str]], end: str) -> None:
    env = {name: value for _, name, value in parts}
    template = "".join(f"{before}{{{name}}}" for before, name, _ in parts) + end
    expected = "".join(before + env[name] for before, name, _ in parts) + end
    assert expand_text(template, env.get)[0] == expected


@given(NAMES, NAMES)
def test_value_that_looks_like_a_placeholder_is_not_replaced_again(name: str, other: str) -> None:
    env = {other: "wrong", name: f"{{{other}}} {{{{{other}}}}} {{{other}:-x}}"}
    text, used, missing = expand_text(f"{{{name}}}", env.get)
    assert (text, used, missing) == (env[name], (name,), ())


@given(st.text(max_size=30))
def test_text_without_placeholders_and_variables_is_kept(text: str) -> None:
    result, used, missing = expand_text(text, lambda _: None)
    assert {unset.name for unset in missing} <= set(used)
    if not set(":$\\") & set(text):
        assert result == text
