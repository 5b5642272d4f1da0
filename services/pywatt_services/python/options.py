"""Options of the service type `python`."""

from __future__ import annotations

import enum
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pywatt.errors import Problem
from pywatt.service_type import OptionsError, Placement
from pywatt.worker.asgi.engine import EngineName
from pywatt_services.python.detect import FILES, NAMES, find_application
from pywatt_services.python.virtual_environment import find_environment

DEFAULT_THREADS = 10


class Interface(enum.StrEnum):
    """The interface of an application. Key: `python.interface`."""

    AUTO = "auto"
    ASGI = "asgi"
    WSGI = "wsgi"
    MAIN = "main"


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonOptions:
    """The application to serve, and its server."""

    module: str
    attribute: str | None = None
    """Name of the application in the module; None: the first of the usual names that the module has."""
    interface: Interface = Interface.AUTO
    threads: int = DEFAULT_THREADS
    """Number of requests that a WSGI application handles at once."""
    engine: EngineName = EngineName.UVICORN


def configure(document: Mapping[str, Any], placement: Placement) -> PythonOptions:
    """Return the options of a document that passed the schema. Raises OptionsError."""
    python: Mapping[str, Any] = document.get("python", {})
    target = python.get("module")
    if target is None:
        found = find_application(placement.path)
        if found is None:
            raise OptionsError(
                Problem(
                    message=f"no application found in {placement.path}",
                    key="python.module",
                    hint=f"define one of {', '.join(NAMES)} in one of {', '.join(FILES)}, "
                    'or name it: {"python": {"module": "package.module:attribute"}}',
                )
            )
        module, attribute = found
    else:
        module, _, attribute = target.partition(":")
    return PythonOptions(
        module=module,
        attribute=attribute or None,
        interface=Interface(python.get("interface", Interface.AUTO)),
        threads=python.get("threads", DEFAULT_THREADS),
        engine=EngineName(document.get("server", {}).get("engine", EngineName.UVICORN)),
    )


def find_interpreter(document: Mapping[str, Any], placement: Placement) -> Path | None:
    """Return the interpreter named in the document, else that of the service's virtual environment, else None.

    Raises OptionsError.
    """
    named: str | bool | None = document.get("python", {}).get("interpreter")
    if not isinstance(named, str):
        own = None if named is False else find_environment(placement.path)
        return own.interpreter if own is not None and not own.problem else None
    # Not resolved: a virtual environment's interpreter is a link, and finds its environment by where the link is.
    interpreter = placement.path / named
    if not os.access(interpreter, os.X_OK) or interpreter.is_dir():
        raise OptionsError(
            Problem(
                message=f"there is no interpreter {interpreter}",
                key="python.interpreter",
                hint="make the virtual environment: python3 -m venv DIR && DIR/bin/python -m pip install pywatt",
            )
        )
    return interpreter


def neglected(document: Mapping[str, Any], placement: Placement) -> Iterator[str]:
    """Yield a warning if no worker can run in the service's virtual environment."""
    if "interpreter" in document.get("python", {}):
        return
    own = find_environment(placement.path)
    if own is not None and own.problem:
        yield (
            f"the service {placement.id} does not use its virtual environment {own.name}, which {own.problem}"
            f' (fix: {own.fix}; or "python": {{"interpreter": false}}, which keeps it aside)'
        )
