"""Calls a probe function of the application."""

from __future__ import annotations

import importlib
import inspect
import json
from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter

from pywatt.worker.user_traceback import root_cause

MAX_BODY = 16 * 1024
"""Characters of a body that are passed on."""
_STATUSES = range(200, 600)


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """The answer of a probe function."""

    problem: str
    """The reported problem, or nothing."""
    status: int | None = None
    body: str | None = None
    """The status and body with which it wants the app's health endpoint to respond."""


async def call_probe_function(target: str) -> ProbeAnswer:
    """Call `module:function`, async or not; return its answer.

    It reports a problem by returning false or, as in the original, `{"status": false, "statusCode": ..., "body": ...}`;
    or by raising.
    """
    module, _, attribute = target.partition(":")
    try:
        answer = attrgetter(attribute)(importlib.import_module(module))()
        if inspect.isawaitable(answer):
            answer = await answer
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        cause = root_cause(error)
        return ProbeAnswer(f"{target}: {type(cause).__name__}: {cause}")
    if isinstance(answer, Mapping):
        body, status = answer.get("body"), answer.get("statusCode")
        problem = "" if answer.get("status") else f"{target}: {body or 'status is false'}"
        return ProbeAnswer(problem, status if status in _STATUSES else None, _text(body))
    # What raises when something is wrong may return nothing when nothing is.
    return ProbeAnswer("" if answer or answer is None else f"{target} returned {answer!r}")


def _text(body: object) -> str | None:
    if body is None:
        return None
    return (body if isinstance(body, str) else json.dumps(body, default=str))[:MAX_BODY]
