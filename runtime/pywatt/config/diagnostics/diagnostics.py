"""Collects problems and warnings over all files, so that the user sees all of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pywatt.config.diagnostics.positions import line_of
from pywatt.config.files.document import Document
from pywatt.config.files.key_path import KeyPath, format_key_path
from pywatt.errors import ConfigError, Problem


class Diagnostics:
    """Problems and warnings of one load."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._problems: list[Problem] = []
        self._spoiled: set[tuple[Path, KeyPath]] = set()
        self._warnings: dict[str, None] = {}

    def problem(self, document: Document, key: KeyPath, message: str, hint: str = "") -> None:
        """Add a problem at a key of a document."""
        self._spoiled.add((document.file, key))
        self._problems.append(problem_at(document, key, message, hint))

    def add(self, problems: Iterable[Problem]) -> None:
        """Add problems that already have a file and a line."""
        self._problems.extend(problems)

    def warn(self, document: Document, text: str) -> None:
        """Add a warning about a document; the same text is kept once."""
        file = document.file
        name = file.relative_to(self._folder) if file.is_relative_to(self._folder) else file
        self._warnings[f"{name}: {text}"] = None

    def spoiled(self, document: Document, key: KeyPath = ()) -> bool:
        """Return whether there is a problem at this key, below it or above it."""
        return any(file == document.file and key[: len(bad)] == bad[: len(key)] for file, bad in self._spoiled)

    def sound(self, document: Document, data: dict[str, Any]) -> dict[str, Any]:
        """Return the data without the values that have a problem; in a list such a value becomes None."""
        bad = {key for file, key in self._spoiled if file == document.file}

        def keep(value: Any, key: KeyPath) -> Any:
            if isinstance(value, dict):
                return {name: keep(child, (*key, name)) for name, child in value.items() if (*key, name) not in bad}
            if isinstance(value, list):
                places = ((*key, index) for index in range(len(value)))
                return [
                    None if place in bad else keep(child, place) for place, child in zip(places, value, strict=True)
                ]
            return value

        sound: dict[str, Any] = keep(data, ())
        return sound

    @property
    def warnings(self) -> tuple[str, ...]:
        """All warnings, in order."""
        return tuple(self._warnings)

    @property
    def failed(self) -> bool:
        """True if there is any problem."""
        return bool(self._problems)

    def raise_problems(self) -> None:
        """Raise ConfigError if there is any problem."""
        if self._problems:
            raise ConfigError(list(dict.fromkeys(self._problems)))


def problem_at(document: Document, key: KeyPath, message: str, hint: str = "") -> Problem:
    """Return a problem with the line of the key it is about."""
    line = line_of(document, key)
    return Problem(message=message, file=str(document.file), line=line, key=format_key_path(key), hint=hint)
