from __future__ import annotations

import json

import pytest

from pywatt.control.error_json import from_json, to_json
from pywatt.errors import AddressInUse, ConfigError, ControlError, NotKnown, Problem, PywattError, ServiceFailed

ERRORS = [
    ConfigError([Problem(message="wrong", file="/a/watt.json", line=3, key="web[0]", hint="right")]),
    ServiceFailed("api", "ended", output=("one", "two"), hint="look"),
    NotKnown("no such", hint="known: a"),
    ControlError("no"),
]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_arrives_as_what_it_was(error: PywattError) -> None:
    again = from_json(json.loads(json.dumps(to_json(error))))
    assert type(again) is type(error)
    assert (again.message, again.hint, again.exit_status) == (error.message, error.hint, error.exit_status)
    assert vars(again) == vars(error)


def test_an_error_of_another_kind_keeps_its_words() -> None:
    again = from_json(to_json(AddressInUse("taken", hint="free it")))
    assert (type(again), again.message, again.hint) == (ControlError, "taken", "free it")
