"""The error for a text that its format does not allow."""

from __future__ import annotations

from pywatt.config.files.key_path import KeyPath


class MalformedError(ValueError):
    """The text is not what its format allows."""

    def __init__(self, message: str, *, line: int = 0, column: int = 0, key: KeyPath = (), hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.line = line
        self.column = column
        self.key = key
        self.hint = hint
