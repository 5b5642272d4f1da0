from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.logs.escapes import for_terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("\x1b[2J\x1b[Hgone", r"\x1b[2J\x1b[Hgone"),
        ("\x1b]0;title\x07", r"\x1b]0;title\x07"),
        ("10%\r20%", r"10%\r20%"),
        ("line\r\nline", "line\nline"),
        ("\x00\x08\x7f", r"\x00\x08\x7f"),
        ("\x9b2J", r"\x9b2J"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("\ud800", r"\ud800"),
        ("\x1b[38;5;1mred\x1b[0m", "red"),
        ("日本 😀 é", "日本 😀 é"),
    ],
)
def test_what_would_control_the_terminal_is_shown_instead(text: str, shown: str) -> None:
    assert for_terminal(text, colour=False) == shown


def test_colours_pass_where_they_are_wanted_and_end_with_the_text() -> None:
    assert for_terminal("\x1b[31;1mred", colour=True) == "\x1b[31;1mred\x1b[0m"
    assert for_terminal("\x1b[2Jred", colour=True) == r"\x1b[2Jred"


@given(st.text(st.characters(categories=["Cc", "Cf", "Cs", "Lu", "Zl"])), st.booleans())
def test_no_text_controls_the_terminal(text: str, colour: bool) -> None:
    shown = for_terminal(text, colour=colour)
    shown.encode()
    assert not re.search(r"[\x00-\x08\x0b-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert "\x1b" not in re.sub(r"\x1b\[[0-9;:]*m", "", shown)
