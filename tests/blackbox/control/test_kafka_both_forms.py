"""`pywatt kafka ...` through the installed program, in a terminal and piped, next to an app with its own broker."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness.app import PATIENCE, run_pywatt, write_files
from harness.processes import MARKER, marked, wait_for_end
from harness.terminal import command, terminal

REFUSES = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 400, "headers": []})
    await send({"type": "http.response.body", "body": b"no such order"})
"""
FILES: dict[str, str | dict[str, Any]] = {
    "watt.json": {
        "entrypoint": "kafka-hooks",
        "web": [{"id": "kafka-hooks", "path": "hooks"}, {"id": "api", "path": "api"}],
        "server": {"port": "{PORT}"},
    },
    "hooks/platformatic.json": {
        "type": "kafka-hooks",
        "brokers": ["{KAFKA_BROKERS}"],
        "topics": [
            {"topic": "orders", "url": "http://api.plt.local/", "retries": 1, "dlq": "orders-dlq"},
            {"topic": "bills", "url": "http://api.plt.local/", "retries": 1, "dlq": "bills-failed"},
        ],
        "consumer": {"groupId": "hooks"},
    },
    "api/app.py": REFUSES,
}


@dataclass(frozen=True)
class Shop:
    folder: Path
    env: dict[str, str]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """Run an app whose webhook refuses a record, so that there is a dead letter."""
    folder = write_files(tmp_path_factory.mktemp("shop"), FILES)
    marker = uuid.uuid4().hex
    env = {"PYWATT_RUNTIME_DIR": str(tmp_path_factory.mktemp("run"))}
    with run_pywatt(folder, env={**env, "PORT": "0", "KAFKA_BROKERS": "embedded", MARKER: marker}) as app:
        assert app.post("/topics/orders", content=b"tea", headers={"x-plt-kafka-hooks-key": "k"}).status_code == 202
        app.wait_for_text("orders-dlq")
        deadline = time.monotonic() + PATIENCE
        while command(folder, "kafka", "lag", "hooks", env=env).err:
            assert time.monotonic() < deadline, "the group has committed nothing"
        yield Shop(folder, env)
        assert app.stop() == 0
    assert wait_for_end(marked(marker)) == []


@pytest.mark.parametrize(
    ("words", "text", "has_json"),
    [
        (("topics",), "orders-dlq", True),
        (("produce", "notes", "milk"), "1 record was written: notes[", True),
        (("lag", "hooks", "--topic", "orders"), "in all", True),
        (("why",), "partitions are held by nothing", True),
        (("dlq", "list"), "orders-dlq", True),
        (("dlq", "list"), "bills-failed", True),
        (("dlq", "list", "orders-dlq"), "400 Bad Request", True),
        (("dlq", "redrive", "orders-dlq", "--dry-run"), "1 would be sent back", True),
        (("dlq", "purge", "orders-dlq", "--all", "--dry-run"), "1 letter of orders-dlq would be deleted", False),
    ],
)
def test_what_is_shown(shop: Shop, words: tuple[str, ...], text: str, has_json: bool) -> None:
    piped = command(shop.folder, "kafka", *words, env=shop.env)
    assert (piped.status, piped.err) == (0, "")
    assert text in piped.out
    assert "\x1b" not in piped.out
    with terminal(shop.folder, "kafka", *words, env=shop.env) as screen:
        assert screen.wait() == 0
    assert text in screen.plain
    assert "\x1b" not in screen.text.replace("\x1b[1m", "").replace("\x1b[0m", ""), "only headings are bold"
    if has_json:
        assert command(shop.folder, "kafka", *words, "--json", env=shop.env).json is not None


def test_records_are_shown(shop: Shop) -> None:
    words = ("kafka", "consume", "orders")
    piped = command(shop.folder, *words, env=shop.env)
    assert (piped.status, piped.err) == (0, "")
    assert piped.out.startswith("orders[0]@0  ")
    assert piped.out.endswith("\n  tea\n")
    assert "\x1b" not in piped.out
    with terminal(shop.folder, *words, env=shop.env) as screen:
        assert screen.wait() == 0
    assert screen.plain.rstrip().endswith("tea")
    assert "\x1b[33mk" in screen.text, "the key is yellow"
    assert command(shop.folder, *words, "--json", env=shop.env).json["value"] == "tea"


def test_a_reset_says_that_it_changes_nothing(shop: Shop) -> None:
    words = ("kafka", "reset", "hooks", "--to", "earliest", "--topic", "orders")
    piped = command(shop.folder, *words, env=shop.env)
    assert (piped.status, piped.err) == (0, "Nothing was changed: --yes does it.\n")
    assert "COMMITTED" in piped.out
    assert "\x1b" not in piped.out
    with terminal(shop.folder, *words, env=shop.env) as screen:
        assert screen.wait() == 0
    assert "COMMITTED" in screen.plain
    assert "Nothing was changed" in screen.plain
    assert command(shop.folder, *words, "--json", env=shop.env).json is not None


def test_one_letter_is_shown_in_full(shop: Shop) -> None:
    (letter,) = command(shop.folder, "kafka", "dlq", "list", "orders-dlq", "--json", env=shop.env).json
    words = ("kafka", "dlq", "show", "orders-dlq", f"{letter['partition']}@{letter['offset']}")
    piped = command(shop.folder, *words, env=shop.env)
    with terminal(shop.folder, *words, env=shop.env) as screen:
        assert screen.wait() == piped.status == 0
    assert json.loads(screen.plain) == piped.json
    missing = command(shop.folder, "kafka", "dlq", "show", "orders-dlq", "0@99", env=shop.env)
    assert (missing.status, missing.out) == (1, "")
    assert "has no dead letter 0@99" in missing.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("why", "api"), "cannot tell"),
        (("why", "hooks"), 'did you mean "kafka-hooks"?'),
        (("dlq", "purge", "orders-dlq"), "say which letters: --all, --redriven or --older-than"),
        (("lag",), "missing argument 'GROUP'"),
        (("groups",), "listing the groups: this broker has no such request"),
        (("groups", "describe", "hooks"), "the embedded broker has few; a real one: pywatt kafka start"),
    ],
)
def test_mistakes_are_told(shop: Shop, words: tuple[str, ...], told: str) -> None:
    piped = command(shop.folder, "kafka", *words, env=shop.env)
    with terminal(shop.folder, "kafka", *words, env=shop.env) as screen:
        assert screen.wait() == piped.status != 0
    assert piped.out == ""
    assert told in piped.err
    assert told in screen.plain


def test_a_broker_that_is_away_is_told(tmp_path: Path) -> None:
    words = ("kafka", "topics", "--brokers", "127.0.0.1:1")
    piped = command(tmp_path, *words)
    with terminal(tmp_path, *words) as screen:
        assert screen.wait() == piped.status == 1
    assert "127.0.0.1:1" in piped.err
    assert "127.0.0.1:1" in screen.plain
    assert "Traceback" not in piped.err


def test_start_in_a_terminal_and_piped(tmp_path: Path) -> None:
    words = ("kafka", "start", "--embedded")
    with terminal(tmp_path, *words) as screen:
        screen.wait_for("Ctrl-C stops it.")
        assert "\x1b" not in screen.text.replace("\x1b[1m", "").replace("\x1b[0m", ""), "only headings are bold"
        screen.type("\x03")
        assert screen.wait() == 0
        assert screen.plain.splitlines()[-1].endswith("Stopped.")
    with run_pywatt(tmp_path, *words) as broker:
        broker.wait_for_text("A broker in memory is ready at 127.0.0.1:", patience=PATIENCE)
        assert broker.stop() == 0
        assert broker.stderr == []
