"""`pywatt kafka why` shows the report of the running service; without pywatt it names the missing package."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import click
import pytest
from click.testing import CliRunner

from pywatt_kafka.why import why

HOLDER = {
    "target": "http://api.plt.local/hook",
    "offset": 7,
    "key": "k",
    "age": 12.34,
    "attempts": 2,
    "behind": 3,
    "state": "waits for its next attempt",
    "error": "the webhook answered 500",
}
DOCUMENT = {
    "partitions": [
        {"topic": "orders", "partition": 0, "committed": 7, "next": 11, "heldBy": [HOLDER]},
        {"topic": "orders", "partition": 1, "committed": None, "next": 0, "heldBy": []},
    ]
}


def pywatt(answer: str, services: Sequence[str] = ("hooks",)) -> tuple[click.Group, list[Any]]:
    """A program whose `inject` prints the answer, and its arguments; next to an app with the services."""
    asked: list[Any] = []

    @click.group()
    def root() -> None: ...

    @root.command()
    @click.argument("words", nargs=-1)
    @click.option("--path")
    def inject(words: tuple[str, ...], path: str) -> None:
        asked.append((words, path))
        click.echo(answer.encode())

    @root.command()
    @click.option("--json", "as_json", is_flag=True)
    def ps(as_json: bool) -> None:
        click.echo(json.dumps([{"pid": 7, "name": "shop"}]))

    @root.command(name="services")
    @click.argument("wanted", required=False)
    @click.option("--json", "as_json", is_flag=True)
    def list_services(wanted: str | None, as_json: bool) -> None:
        rows = [{"id": name, "type": "kafka-hooks"} for name in services]
        click.echo(json.dumps([{"id": "api", "type": "python"}, *rows]))

    root.add_command(why)
    return root, asked


def test_holders_are_shown_in_a_table() -> None:
    root, asked = pywatt(json.dumps(DOCUMENT))
    result = CliRunner().invoke(root, ["why"])
    assert result.exit_code == 0, result.output
    assert asked == [(("hooks",), "/why")]
    head, row, rest = result.output.splitlines()
    assert head.split() == [
        "PARTITION",
        "COMMITTED",
        "HELD",
        "AT",
        "KEY",
        "AGE",
        "ATTEMPTS",
        "BEHIND",
        "TARGET",
        "STATE",
    ]
    assert row.split("  ")[0] == "orders[0]"
    assert "12.3s" in row
    assert row.endswith("waits for its next attempt: the webhook answered 500")
    assert rest == "1 of 2 partitions are held by nothing."


def test_open_transaction_holds_its_partition() -> None:
    partition = {**DOCUMENT["partitions"][1], "openTransaction": {"begin": 5, "end": 9}}
    root, _ = pywatt(json.dumps({"partitions": [partition]}))
    _, row, rest = CliRunner().invoke(root, ["why"]).output.splitlines()
    assert row.split()[:3] == ["orders[1]", "-", "5"]
    assert "an open transaction" in row
    assert rest == "0 of 1 partition is held by nothing."


def test_json_and_another_service() -> None:
    root, asked = pywatt(json.dumps(DOCUMENT))
    result = CliRunner().invoke(root, ["why", "app", "hooks", "--json"])
    assert json.loads(result.output) == DOCUMENT
    assert asked == [(("app", "hooks"), "/why")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("shop",), ("shop", "one")),
        (("7",), ("7", "one")),
        (("two",), ("two",)),
        (("shop", "two"), ("shop", "two")),
        (("--service", "two"), ("two",)),
        (("shop", "--service", "two"), ("shop", "two")),
    ],
)
def test_words_that_name_an_app_or_a_service(words: tuple[str, ...], expected: tuple[str, ...]) -> None:
    root, asked = pywatt(json.dumps(DOCUMENT), ("one",))
    assert CliRunner().invoke(root, ["why", *words]).exit_code == 0
    assert asked == [(expected, "/why")]


def test_app_and_service_of_one_name() -> None:
    root, asked = pywatt(json.dumps(DOCUMENT), ("shop",))
    assert CliRunner().invoke(root, ["why", "shop"]).exit_code == 0
    assert asked == [(("shop",), "/why")]


@pytest.mark.parametrize(
    ("services", "told"),
    [(("one", "two"), "--service one or two"), ((), "no service of the type kafka-hooks")],
)
def test_service_has_to_be_named_unless_there_is_one(services: tuple[str, ...], told: str) -> None:
    root, asked = pywatt(json.dumps(DOCUMENT), services)
    result = CliRunner().invoke(root, ["why"])
    assert result.exit_code == 1
    assert told in result.output
    assert asked == []


def test_service_that_cannot_tell() -> None:
    root, _ = pywatt('{"message":"Route GET:/why not found"}')
    result = CliRunner().invoke(root, ["why"])
    assert result.exit_code == 1
    assert "the service hooks cannot tell" in result.output


def test_without_pywatt() -> None:
    result = CliRunner().invoke(why, [])
    assert result.exit_code == 1
    assert "possible only as `pywatt kafka why`" in result.output
