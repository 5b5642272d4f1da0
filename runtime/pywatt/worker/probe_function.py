"""Calls a probe function of the application."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping
from operator import attrgetter

from pywatt.worker.user_traceback import root_cause


async def call_probe_function(target: str) -> str:
    """Call `module:function`, async or not; return the reported problem, or nothing.

    It reports one by returning false or, as in the original, `{"status": false, "body": ...}`; or by raising.
    """
    module, _, attribute = target.partition(":")
    try:
        answer = attrgetter(attribute)(importlib.import_module(module))()
        if inspect.isawaitable(answer):
            answer = await answer
    except Exception as error:  # noqa: BLE001 - whatever it raises is its answer
        cause = root_cause(error)
        return f"{target}: {type(cause).__name__}: {cause}"
    if isinstance(answer, Mapping):
        body = answer.get("body")
        return "" if answer.get("status") else f"{target}: {body or 'status is false'}"
    # What raises when something is wrong may return nothing when nothing is.
    return "" if answer or answer is None else f"{target} returned {answer!r}"
