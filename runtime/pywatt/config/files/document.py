"""Reads a config file from disk into a parsed document."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pywatt.config.files.formats import FORMATS, Format, parse
from pywatt.config.files.key_path import format_key_path
from pywatt.config.files.malformed import MalformedError
from pywatt.config.files.reading import read_file
from pywatt.errors import ConfigError, Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file; `text` and `format` are kept to find the line of a key for an error."""

    file: Path
    data: dict[str, Any]
    text: str = ""
    format: Format = Format.JSON


def read_document(file: Path) -> Document:
    """Return the document in a file. Raises ConfigError."""
    form = FORMATS.get(file.suffix.lstrip("."))
    if form is None:
        raise ConfigError([_unknown_format(file)])
    try:
        raw = read_file(file)
    except OSError as error:
        raise ConfigError([Problem(message=f"cannot be read: {error.strerror}", file=str(file))]) from error
    try:
        text = raw.decode("utf-8-sig")
        return Document(file=file, data=parse(text, form), text=text, format=form)
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        problem = Problem(message="is not UTF-8", file=str(file), line=line, hint="save the file as UTF-8")
        raise ConfigError([problem]) from error
    except MalformedError as error:
        where = f" (column {error.column})" if error.column else ""
        problem = Problem(
            message=f"{error.message}{where}",
            file=str(file),
            line=error.line,
            key=format_key_path(error.key),
            hint=error.hint,
        )
        raise ConfigError([problem]) from error
    except ValueError as error:
        # Of a number with thousands of digits, which no parser calls a syntax error.
        message = f"is not valid {form.value}: {str(error).partition(';')[0]}"
        problem = Problem(message=message, file=str(file), hint="write a shorter number, or put quotes around it")
        raise ConfigError([problem]) from error
    except RecursionError as error:
        raise ConfigError(
            [Problem(message="is nested too deeply", file=str(file), hint="remove some of its brackets")]
        ) from error


def _unknown_format(file: Path) -> Problem:
    known = ", ".join(f".{extension}" for extension in FORMATS)
    return Problem(message="has no known extension", file=str(file), hint=f"use one of {known}")
