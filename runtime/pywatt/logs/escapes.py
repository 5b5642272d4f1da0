"""Makes text of unknown origin safe for a terminal (pure): it may be read and coloured, and controls nothing."""

from __future__ import annotations

import re

_RESET = "\x1b[0m"
_SGR = r"\x1b\[[0-9;:]*m"
"""Select Graphic Rendition: colours and weights, the only sequences that change nothing but the text's looks."""
_UNSAFE = (
    r"\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and line break, DEL, C1 (U+009B alone begins a control sequence)
    r"\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"  # direction marks and further line breaks
    r"\ufff9-\ufffb\ud800-\udfff"
)
_PLAIN = re.compile(rf"[^{_UNSAFE}]*")
_CONTROLS = re.compile(rf"({_SGR})|[{_UNSAFE}]")


def for_terminal(text: str, *, colour: bool) -> str:
    """Return the text with everything that would control the terminal in a visible form, such as `\\x1b[2J`.

    Colours pass if `colour`, and end with the text; else they are left out.
    """
    if _PLAIN.fullmatch(text):
        return text
    coloured = False

    def visible(match: re.Match[str]) -> str:
        nonlocal coloured
        if match[1] is None:
            return _escaped(match[0])
        coloured = colour
        return match[1] if colour else ""

    shown = _CONTROLS.sub(visible, text.replace("\r\n", "\n"))
    return f"{shown}{_RESET}" if coloured else shown


def _escaped(character: str) -> str:
    if character == "\r":
        return r"\r"
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
