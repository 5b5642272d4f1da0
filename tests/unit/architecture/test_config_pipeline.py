"""The validators of a configuration stand in one list: one that is written and not listed would never run."""

from __future__ import annotations

import inspect

from pywatt.config import pipeline
from pywatt.config.services import validators


def test_every_validator_is_listed_once() -> None:
    written = {
        function
        for name, function in inspect.getmembers(validators, inspect.isfunction)
        if function.__module__ == validators.__name__ and not name.startswith("_")
    }
    listed = [*pipeline.VALIDATORS, *pipeline.PREFLIGHT]
    assert set(listed) == written
    assert len(listed) == len(written)
