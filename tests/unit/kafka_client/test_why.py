"""`pywatt kafka why` shows what the running service says; without pywatt around it, it says what is missing."""

from __future__ import annotations

import json
from typing import Any

import click
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


def pywatt(answer: str) -> tuple[click.Group, list[Any]]:
    """A program whose `inject` prints the answer, and what that was called with."""
    asked: list[Any] = []

    @click.group()
    def root() -> None: ...

    @root.command()
    @click.argument("words", nargs=-1)
    @click.option("--path")
    def inject(words: tuple[str, ...], path: str) -> None:
        asked.append((words, path))
        click.echo(answer.encode())

    root.add_command(why)
    return root, asked


def test_holders_are_shown_in_a_table() -> None:
    root, asked = pywatt(json.dumps(DOCUMENT))
    result = CliRunner().invoke(root, ["why"])
    assert result.exit_code == 0, result.output
    assert asked == [(("kafka-hooks",), "/why")]
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


def test_json_and_another_service() -> None:
    root, asked = pywatt(json.dumps(DOCUMENT))
    result = CliRunner().invoke(root, ["why", "app", "hooks", "--json"])
    assert json.loads(result.output) == DOCUMENT
    assert asked == [(("app", "hooks"), "/why")]


def test_service_that_cannot_tell() -> None:
    root, _ = pywatt('{"message":"Route GET:/why not found"}')
    result = CliRunner().invoke(root, ["why"])
    assert result.exit_code == 1
    assert "the service kafka-hooks cannot tell" in result.output


def test_without_pywatt() -> None:
    result = CliRunner().invoke(why, [])
    assert result.exit_code == 1
    assert "possible only as `pywatt kafka why`" in result.output
