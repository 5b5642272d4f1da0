"""Options of the service type `command`."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pywatt.config.model import BuildCommand
from pywatt.errors import Problem
from pywatt.service_type import OptionsError, Placement

SHELL_OPERATORS = frozenset(";&|<>()")
_QUOTED = re.compile(r"""\\.|'[^']*'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
PRODUCTION, DEVELOPMENT, BUILD = "production", "development", "build"
_STARTED_BY = {PRODUCTION: "pywatt start", DEVELOPMENT: "pywatt dev"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """The program to run and its readiness check."""

    run: tuple[str, ...]
    """The program and its arguments."""
    expands: bool = False
    """True if `$NAME` in the arguments stands for a variable of the program's environment."""
    http: bool = True
    port: int | None = None
    """The port that the program always listens on; None: pywatt chooses one and passes it in PORT."""
    probe: str | None = None
    """Path that answers 2xx or 3xx once the program is ready; None: it is ready when its port accepts connections."""
    env: Mapping[str, str] = field(default_factory=dict)


def configure(document: Mapping[str, Any], placement: Placement) -> CommandOptions:
    """Return the options of a document that passed the schema. Raises OptionsError."""
    command, originals = _blocks(document)
    mode = PRODUCTION if placement.production else DEVELOPMENT
    for key, run in (
        (f"command.{mode}", command.get(mode)),
        ("command.run", command.get("run")),
        (f"application.commands.{mode}", originals.get(mode)),
    ):
        if run:
            words, expands = _words(run, key)
            break
    else:
        raise OptionsError(
            Problem(
                message=f"`{_STARTED_BY[mode]}` has nothing to run for the service {placement.id}",
                key=key,
                hint='say for instance {"command": {"run": "node server.js"}}',
            )
        )
    return CommandOptions(
        run=words,
        expands=expands,
        http=command.get("http", True),
        port=command.get("port"),
        probe=command.get("probe"),
        env=command.get("env", {}),
    )


def build_command(document: Mapping[str, Any]) -> BuildCommand | None:
    """Return the build command of the service, or None. Raises OptionsError."""
    command, originals = _blocks(document)
    for key, run in (("command.build", command.get(BUILD)), ("application.commands.build", originals.get(BUILD))):
        if run:
            words, expands = _words(run, key)
            return BuildCommand(words=words, expands=expands)
    return None


def _blocks(document: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Return pywatt's block, which may be written as a string or an array, and the original's."""
    command = document.get("command", {})
    originals: Mapping[str, Any] = document.get("application", {}).get("commands", {})
    return command if isinstance(command, Mapping) else {"run": command}, originals


def _words(run: str | list[str], key: str) -> tuple[tuple[str, ...], bool]:
    """Return program and arguments, and whether they were one line, in which variables expand. Raises OptionsError."""
    return (tuple(_split(run, key)), True) if isinstance(run, str) else (tuple(run), False)


def _split(line: str, key: str) -> list[str]:
    """Split a command line as a shell would. Raises OptionsError if it uses other features of a shell."""
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise OptionsError(Problem(message=f"this command cannot be split: {error}: {line}", key=key)) from error
    if SHELL_OPERATORS.intersection(_unquoted(line)):
        raise OptionsError(
            Problem(
                message=f"this command needs a shell: {line}",
                key=key,
                hint=f"programs run without one; say {json.dumps(['sh', '-c', line])}",
            )
        )
    return words


def _unquoted(line: str) -> str:
    """Return the parts of a line outside quotes, without escaped characters."""
    return _QUOTED.sub("", line)
