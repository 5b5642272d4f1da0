"""Errors of keys that may be of several types: the likely alternative speaks, else all are named."""

from __future__ import annotations

from typing import Any

import pytest

from pywatt.config.schema.validate import violations
from pywatt_schemas import load


@pytest.mark.parametrize(
    ("command", "key", "message"),
    [
        ({"start": ["a"]}, ("command", "start"), "unknown key"),
        ({"run": 5}, ("command", "run"), "must be text or a list, found 5"),
        ({"run": [1]}, ("command", "run", 0), "must be text, found 1"),
        (5, ("command",), "must be text or a list or an object, found 5"),
        ([], ("command",), "must not be an empty list, found an empty list"),
        ("", ("command",), 'must not be empty, found ""'),
    ],
)
def test_the_alternative_that_was_meant_is_explained(command: Any, key: tuple[Any, ...], message: str) -> None:
    [found] = violations({"command": command}, load("command"), {})
    assert (found.key, found.message) == (key, message)
