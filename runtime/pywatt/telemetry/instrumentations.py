"""Switches on the user's OpenTelemetry instrumentations, before the application is imported."""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

from pywatt.errors import PywattError
from pywatt.telemetry.settings import Instrumentation

ENTRY_POINTS = "opentelemetry_instrumentor"
KEY = "telemetry.instrumentations"


def switch_on(instrumentations: Iterable[Instrumentation]) -> None:
    """Call `instrument()` of each. Raises PywattError for one that is not installed."""
    for each in instrumentations:
        _instrumentor(each.name)().instrument(**each.options)


def _instrumentor(name: str) -> Any:
    module, colon, attribute = name.partition(":")
    if not colon:
        found = next(iter(entry_points(group=ENTRY_POINTS, name=name)), None)
        if found is not None:
            return found.load()
        raise _missing(name, f"pip install opentelemetry-instrumentation-{name.replace('_', '-')}")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # found, but a package of its own is missing
        raise _missing(name, "install the package that has this module") from error
    except AttributeError as error:
        raise _missing(name, f"correct exportName: the module {module} has no {attribute}") from error


def _missing(name: str, hint: str) -> PywattError:
    return PywattError(f'{KEY}: "{name}" is not installed for this service', hint=hint)
