"""Placeholders: one literal pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.placeholders import expand, expand_text

ENV = {"A": "one", "B_2": "two", "EMPTY": "", "BRACES": "{A} $& \\1 {{A}}"}
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
PLAIN = st.text(st.characters(exclude_characters="{}"), max_size=10)


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
        ("{NO:-{A}}", "{NO:-one}"),
        ("", ""),
    ],
)
def test_text(text: str, expected: str) -> None:
    assert expand_text(text, ENV.get)[0] == expected


def test_missing_names_are_listed_once_and_left_in_place() -> None:
    assert expand_text("{X}{Y}{X}{A}", ENV.get) == ("{X}{Y}{X}one", ("X", "Y", "A"), ("X", "Y"))


def test_document() -> None:
    expansion = expand({"{A}": ["{A}", 1, {"b": "{X}"}], "c": None}, ENV.get)
    assert expansion.data == {"{A}": ["one", 1, {"b": "{X}"}], "c": None}
    assert expansion.variables == {("{A}", 0): ("A",), ("{A}", 2, "b"): ("X",)}
    assert expansion.missing == ((("{A}", 2, "b"), "X"),)


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
    assert set(missing) <= set(used)
    if ":-" not in text:
        assert result == text
