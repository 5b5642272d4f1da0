"""`pywatt kafka why` shows what the running service says, and finds that service."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness.kafka_cli import kafka

from pywatt.cli.arguments import selection
from pywatt.control.metadata import Runtime
from pywatt_services.kafka_cli import lag_explanation

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


class App:
    """A running app with kafka-hooks services; records which of them is asked, and answers for it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: object, services: Sequence[str] = ("hooks",)) -> None:
        self.asked: list[tuple[str, str]] = []
        self._answer = answer if isinstance(answer, str) else json.dumps(answer)
        self._rows = [
            {"id": name, "type": kind, "internal": False, "url": f"http://{name}"}
            for name, kind in [("api", "python"), *((name, "kafka-hooks") for name in services)]
        ]
        runtime = Runtime(
            pid=7, name="shop", root=Path.cwd(), url=None, version="1", started=0, ticks=0, argv=(), namespace=0
        )
        monkeypatch.setattr(selection, "running", lambda: [runtime])
        monkeypatch.setattr(selection, "ControlClient", lambda runtime: self)
        monkeypatch.setattr(lag_explanation, "send_request", self._send)

    def services(self) -> list[dict[str, Any]]:
        return self._rows

    def _send(self, row: dict[str, Any], method: str, path: str, *_: object) -> tuple[None, bytes]:
        self.asked.append((row["id"], path))
        return None, self._answer.encode()


def test_holders_are_shown_in_a_table(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(monkeypatch, DOCUMENT)
    result = kafka("why")
    assert (result.status, result.err) == (0, "")
    assert app.asked == [("hooks", "/why")]
    head, row, rest = result.out.splitlines()
    assert head.replace("HELD AT", "HELD_AT").split() == [
        "PARTITION",
        "COMMITTED",
        "HELD_AT",
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


def test_open_transaction_holds_its_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    partition = {**DOCUMENT["partitions"][1], "openTransaction": {"begin": 5, "end": 9}}
    App(monkeypatch, {"partitions": [partition]})
    _, row, rest = kafka("why").out.splitlines()
    assert row.split()[:3] == ["orders[1]", "-", "5"]
    assert "an open transaction" in row
    assert rest == "0 of 1 partition is held by nothing."


def test_json_and_another_service(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(monkeypatch, DOCUMENT)
    assert json.loads(kafka("why", "shop", "hooks", "--json").out) == DOCUMENT
    assert app.asked == [("hooks", "/why")]


@pytest.mark.parametrize(
    ("words", "service"),
    [
        (("shop",), "one"),
        (("7",), "one"),
        (("one",), "one"),
        (("shop", "api"), "api"),
        (("--service", "api"), "api"),
        (("shop", "--service", "api"), "api"),
    ],
)
def test_words_that_name_an_app_or_a_service(
    words: tuple[str, ...], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(monkeypatch, DOCUMENT, ("one",))
    assert kafka("why", *words).status == 0
    assert app.asked == [(service, "/why")]


def test_app_and_service_of_one_name(monkeypatch: pytest.MonkeyPatch) -> None:
    app = App(monkeypatch, DOCUMENT, ("shop", "other"))
    assert kafka("why", "shop").status == 0
    assert app.asked == [("shop", "/why")]


@pytest.mark.parametrize(
    ("services", "told"),
    [(("one", "two"), "--service one or two"), ((), "no service of the type kafka-hooks")],
)
def test_service_has_to_be_named_unless_there_is_one(
    services: tuple[str, ...], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = App(monkeypatch, DOCUMENT, services)
    result = kafka("why")
    assert result.status == 1
    assert told in result.err
    assert app.asked == []


def test_service_that_cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    App(monkeypatch, '{"message":"Route GET:/why not found"}')
    result = kafka("why")
    assert result.status == 1
    assert "the service hooks cannot tell" in result.err
