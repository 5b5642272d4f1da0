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

from pywatt.config.model import BuildCommand
from pywatt.service_type import OptionsError, Placement
from pywatt_services.command import TYPE
from pywatt_services.command.options import CommandOptions


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


@pytest.mark.parametrize("line", ["find . -exec x \\;", "x ';' \">\"", 'x "a \\" ; b"'])
def test_what_is_quoted_needs_no_shell(line: str) -> None:
    assert options_of({"command": line}).run == tuple(shlex.split(line))


@pytest.mark.parametrize("line", ["a;b", "a 'x' > y", "x \\\\; y"])
def test_what_is_not_quoted_does(line: str) -> None:
    with pytest.raises(OptionsError):
        options_of({"command": line})


MODES = {"command": {"run": "run", "production": "start it", "development": ["watch", "it"], "build": "make all"}}


def test_one_command_for_each_mode() -> None:
    assert options_of(MODES).run == ("start", "it")
    assert options_of(MODES, production=False) == CommandOptions(run=("watch", "it"))


def test_a_mode_without_a_command_of_its_own_has_run() -> None:
    document = {"command": {"run": "run", "production": "start"}}
    assert options_of(document, production=False).run == ("run",)
    with pytest.raises(OptionsError) as raised:
        options_of({"command": {"production": "start"}}, production=False)
    assert "`pywatt dev` has nothing to run" in raised.value.problems[0].message


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (MODES, BuildCommand(words=("make", "all"), expands=True)),
        ({"command": {"run": "x", "build": ["make", "$X"]}}, BuildCommand(words=("make", "$X"))),
        (
            {"command": "x", "application": {"commands": {"build": "npm run build"}}},
            BuildCommand(words=("npm", "run", "build"), expands=True),
        ),
        ({"command": "x"}, None),
    ],
)
def test_the_build_command(document: dict[str, Any], expected: BuildCommand | None) -> None:
    jsonschema.validate(document, TYPE.schema)
    placement = Placement(id="web", path=Path("/app/web"), services=("web",))
    assert TYPE.configure(document, placement).build == expected
