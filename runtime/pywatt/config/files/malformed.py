"""The error for a text that breaks the rules of its format."""

from __future__ import annotations

from pywatt.config.files.key_path import KeyPath


class MalformedError(ValueError):
    """A text breaks the rules of its format."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0, key: KeyPath = (), hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.key = key
        self.hint = hint
