"""The options of the service type `command`."""

from __future__ import annotations

import pickle
import shlex
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.service_type import OptionsError, Placement
from pywatt_services.command import TYPE
from pywatt_services.command.config import CommandOptions


def options_of(document: dict[str, Any], *, production: bool = True) -> Any:
    jsonschema.validate(document, TYPE.schema)
    placement = Placement(id="web", path=Path("/app/web"), services=("web",), production=production)
    return TYPE.configure(document, placement).options


@pytest.mark.parametrize("document", [{"command": "node server.js"}, {"command": {"run": "node server.js"}}])
def test_a_line(document: dict[str, Any]) -> None:
    assert options_of(document) == CommandOptions(run=("node", "server.js"), expands=True)


@pytest.mark.parametrize("document", [{"command": ["node", "$x"]}, {"command": {"run": ["node", "$x"]}}])
def test_a_list_is_taken_as_it_is(document: dict[str, Any]) -> None:
    assert options_of(document) == CommandOptions(run=("node", "$x"))


def test_everything() -> None:
    command = {"run": ["x"], "http": False, "port": 3000, "probe": "/ready", "env": {"A": "b"}}
    options = options_of({"command": command})
    assert options == CommandOptions(run=("x",), http=False, port=3000, probe="/ready", env={"A": "b"})
    assert pickle.loads(pickle.dumps(options)) == options


def test_the_originals_commands() -> None:
    document = {"application": {"commands": {"production": "next start", "development": "next dev"}}}
    assert options_of(document).run == ("next", "start")
    assert options_of(document, production=False).run == ("next", "dev")


def test_ours_goes_before_the_originals() -> None:
    document = {"command": {"run": "mine", "http": False}, "application": {"commands": {"production": "theirs"}}}
    assert options_of(document) == CommandOptions(run=("mine",), expands=True, http=False)


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({}, "application.commands.production"),
        ({"command": {"http": False}}, "application.commands.production"),
        ({"command": "a && b"}, "command.run"),
        ({"command": "a | b"}, "command.run"),
        ({"command": "a > b"}, "command.run"),
        ({"command": "a; b"}, "command.run"),
        ({"command": "a 'b"}, "command.run"),
        ({"application": {"commands": {"production": "a && b"}}}, "application.commands.production"),
    ],
)
def test_what_cannot_be_run(document: dict[str, Any], key: str) -> None:
    with pytest.raises(OptionsError) as raised:
        options_of(document)
    (problem,) = raised.value.problems
    assert problem.key == key
    assert problem.message


def test_a_command_for_a_shell_is_told_how() -> None:
    with pytest.raises(OptionsError) as raised:
        options_of({"command": "a && b"})
    assert '["sh", "-c", "a && b"]' in raised.value.problems[0].hint


@given(st.lists(st.text(min_size=1), min_size=1))
def test_any_quoted_line_is_split_into_its_words(words: list[str]) -> None:
    assert options_of({"command": shlex.join(words)}).run == tuple(words)
