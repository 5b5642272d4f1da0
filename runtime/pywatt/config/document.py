"""A parsed config file, how it is written, and what it means that it cannot be parsed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pywatt.config.key import Key


class Format(enum.Enum):
    """How a config file is written."""

    JSON = "JSON"
    JSON5 = "JSON5"
    YAML = "YAML"
    TOML = "TOML"


FORMATS = {
    "json": Format.JSON,
    "json5": Format.JSON5,
    "yaml": Format.YAML,
    "yml": Format.YAML,
    "toml": Format.TOML,
    "tml": Format.TOML,
}
"""By file extension, in the order in which files are looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file; `text` and `format` serve to find the line of a key when something is wrong."""

    file: Path
    data: dict[str, Any]
    text: str = ""
    format: Format = Format.JSON


class MalformedError(ValueError):
    """The text is not what its format allows."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0, key: Key = (), hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.key = key
        self.hint = hint
