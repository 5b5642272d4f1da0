"""Errors as JSON: an error of the supervisor is raised again in the command line (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from pywatt.errors import ConfigError, ControlError, NotKnown, Problem, PywattError, ServiceFailed


def to_json(error: PywattError) -> dict[str, Any]:
    """Return an error's JSON form; `kind` names the class for errors that keep theirs."""
    document: dict[str, Any] = {"kind": "error", "message": error.message, "hint": error.hint}
    match error:
        case ConfigError():
            document |= {"kind": "config", "problems": [asdict(problem) for problem in error.problems]}
        case ServiceFailed():
            document |= {"kind": "service", "service": error.service, "output": list(error.output)}
        case NotKnown():
            document |= {"kind": "unknown"}
        case _:
            pass
    return document


def from_json(document: Mapping[str, Any]) -> PywattError:
    """Return the error that `to_json` was given, with those kinds that no caller tells apart as ControlError."""
    message, hint = str(document.get("message", "")), str(document.get("hint", ""))
    match document.get("kind"):
        case "config":
            return ConfigError([Problem(**problem) for problem in document["problems"]])
        case "service":
            return ServiceFailed(document["service"], message, output=document["output"], hint=hint)
        case "unknown":
            return NotKnown(message, hint=hint)
        case _:
            return ControlError(message, hint=hint)
