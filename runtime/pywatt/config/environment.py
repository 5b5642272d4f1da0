"""Reads variables from their sources: the process's environment, `.env` files, and `env` blocks of the config.

A worker's environment is merged in this order, later ones winning: the root's `.env`, the service's envfile, the
process's environment, the root's `env`, the service's `env`. As in the original, files never override the process.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pywatt.config.diagnostics.diagnostics import problem_at
from pywatt.config.files.document import Document
from pywatt.config.files.key_path import KeyPath
from pywatt.config.files.reading import absolute, is_there, read_file
from pywatt.config.schema.placeholders import expand_text
from pywatt.errors import ConfigError, Problem

if TYPE_CHECKING:
    from dotenv.parser import Binding

ENV_FILE = ".env"


def app_env_file(
    root: Document, folder: Path, cwd: Path, environ: Mapping[str, str], env_file: Path | None
) -> tuple[Path | None, dict[str, str]]:
    """Return the app's env file and its variables. Raises ConfigError, also if a file that is named is missing."""
    if env_file is not None:
        return absolute(env_file, cwd), read_env_file(absolute(env_file, cwd))
    block = root.data.get("runtime")
    for key, holder in ((("envfile",), root.data), (("runtime", "envfile"), block)):
        named = holder.get("envfile") if isinstance(holder, dict) else None
        if isinstance(named, str):
            file = absolute(Path(expand_text(named, environ.get)[0]), folder)
            return file, read_env_file(file, root, key)
    closest_match = nearest_env_file(folder, cwd)
    return closest_match, read_env_file(closest_match) if closest_match else {}


def nearest_env_file(folder: Path, cwd: Path) -> Path | None:
    """Return the first `.env` in the folder or one above it, else the one in the working directory, else None."""
    for candidate in (folder, *folder.parents, cwd):
        file = candidate / ENV_FILE
        if is_there(file):
            return file
    return None


def read_env_file(file: Path, named_in: Document | None = None, key: KeyPath = ()) -> dict[str, str]:
    """Return the variables of a file, taken literally (no `$NAME` inside). Raises ConfigError.

    `named_in` and `key` say where the user named the file.
    """
    from dotenv.parser import parse_stream

    try:
        # as a file that is opened for reading text gives its lines
        text = io.StringIO(read_file(file).decode("utf-8-sig"), newline=None)
        bindings = list(parse_stream(text))
    except FileNotFoundError as error:
        place = named_in or Document(file=file, data={})
        problem = problem_at(place, key, f"there is no env file {file}", "create it or correct the name")
        raise ConfigError([problem]) from error
    except OSError as error:
        raise ConfigError([Problem(message=f"cannot be read: {error.strerror}", file=str(file))]) from error
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(message="is not UTF-8", file=str(file), hint="save the file as UTF-8")]) from error
    except ValueError as error:
        raise ConfigError([Problem(message=f"cannot be read: {error}", file=str(file))]) from error
    problems = [
        Problem(message=message, file=str(file), line=binding.original.line, hint=hint)
        for binding in bindings
        for message, hint in _faults(binding)
    ]
    if problems:
        raise ConfigError(problems)
    return {binding.key: binding.value for binding in bindings if binding.key and binding.value is not None}


def _faults(binding: Binding) -> Iterator[tuple[str, str]]:
    """Yield the problem of a line whose variable a process cannot have, and its hint."""
    if binding.error or (binding.key is not None and (not binding.key or "=" in binding.key)):
        value = binding.original.string.partition("=")[2].strip()
        if binding.error and value[:1] in ("'", '"'):
            yield f"has a value that begins with {value[0]} and does not end with it", f"write {value[0]} at its end"
        else:
            yield "is not a line of the form NAME=value", "write one, or put # in front of a comment"
    elif "\0" in f"{binding.key}{binding.value}":
        yield "has a NUL character, which no variable can have", "remove it"


def as_variables(block: Mapping[str, object]) -> dict[str, str]:
    """Return an `env` block as text: numbers as written, booleans as `true` and `false`."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in block.items()}


@cache
def url_variable(service_id: str) -> str:
    """Return the name of the variable with the URL of a service."""
    return f"PLT_{re.sub(r'[^A-Za-z0-9]', '_', service_id).upper()}_URL"
