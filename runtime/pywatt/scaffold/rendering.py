"""Reads the installed templates and fills in their blanks, such as `<<id>>`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "templates"
SUFFIX = ".tmpl"
_BLANK = re.compile(r"<<(\w+)>>")


def render(name: str, values: Mapping[str, str]) -> str:
    """Return the text of a template. Raises KeyError for a blank without a value."""
    text = (FOLDER / f"{name}{SUFFIX}").read_text(encoding="utf-8")
    return _BLANK.sub(lambda blank: values[blank[1]], text)


def render_folder(name: str, values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of every file in a folder of templates, if it exists."""
    for file in sorted((FOLDER / name).glob(f"*{SUFFIX}")):
        yield file.name.removesuffix(SUFFIX), render(f"{name}/{file.name.removesuffix(SUFFIX)}", values)
