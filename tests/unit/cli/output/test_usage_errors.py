"""Errors of click and of other packages' commands have the same form as all others."""

from __future__ import annotations

import click
import pytest

from pywatt.cli.commands import run
from pywatt.cli.output.usage_errors import as_error, plain


@pytest.mark.parametrize(
    ("arguments", "message", "fix"),
    [
        (["stop", "--nope"], "no such option '--nope'", "pywatt stop [OPTIONS] [ID]"),
        (["nope"], 'there is no command "nope"', "pywatt --help"),
        (["stpo"], 'did you mean "stop"', "pywatt --help"),
        (["scale"], "missing argument '[ID] SERVICE=N...'", "pywatt scale --help"),
        (["scale", "api"], "name a service and its number of workers", "pywatt scale --help"),
        (["stop", "-t", "x"], "invalid value for '-t'", "pywatt stop --help"),
        (["kafka", "nope"], "no such command 'nope'", "pywatt kafka --help"),
        (["kafka", "lag"], "missing argument 'GROUP'", "pywatt kafka lag [OPTIONS] GROUP"),
        (["kafka", "dlq", "list", "--older-than", "x"], "invalid value for '--older-than'", "pywatt kafka dlq list"),
        (["create", "--json"], "--json asks nothing: add --yes", "pywatt create --help"),
    ],
)
def test_a_wrong_use_is_told_in_the_one_form(
    arguments: list[str], message: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    first, second = printed.err.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert second.startswith("fix: ")
    assert fix in second


def test_an_error_of_kafka_has_its_fix_on_a_line_of_its_own(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.chdir(tmp_path_factory.mktemp("empty"))
    monkeypatch.delenv("KAFKA_BROKERS", raising=False)
    assert run(["kafka", "topics"]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first == "error: no Kafka broker is given: the config names none and KAFKA_BROKERS is not set"
    assert second.startswith("fix: set KAFKA_BROKERS=host:9092")


def test_the_second_line_of_a_message_is_the_remedy() -> None:
    error = as_error(click.ClickException("It is wrong.\ndo it better"))
    assert (error.message, error.hint) == ("it is wrong", "do it better")


def test_names_keep_their_capitals() -> None:
    assert [plain(text) for text in ("JSON is wrong.", "A b", "", "x")] == ["JSON is wrong", "a b", "", "x"]
