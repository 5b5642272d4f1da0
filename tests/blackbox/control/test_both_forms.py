"""Every command through the installed program: its output in a terminal, and its output in a pipe."""

from __future__ import annotations

import json
import os
import re
import subprocess
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
from harness.app import PYWATT, RunningApp, clean_environment, run_pywatt, write_files
from harness.apps import gateway_and_api
from harness.processes import MARKER, marked, wait_for_end
from harness.terminal import Outcome, Terminal, command, terminal

from pywatt.cli.commands import pywatt
from pywatt_services.kafka_cli.list_by_default import ListByDefaultGroup

GREEN, RED, BOLD = "\x1b[32m", "\x1b[31", "\x1b[1m"


@dataclass(frozen=True)
class Seen:
    """The expected output of a command for the running app, in both forms."""

    words: tuple[str, ...]
    text: str
    colour: str = ""
    """The style in a terminal; a blank means no style at all."""
    json: bool = True
    """True if the command has --json."""


SHOWN = {
    "build": Seen(("build",), "nothing to build"),
    "completion": Seen(("completion", "bash"), "_PYWATT_COMPLETE", json=False),
    "config": Seen(("config",), '"entrypoint": "gateway"'),
    "create": Seen(("create", "--yes", "--name", "made", "-s", "api=python:asgi"), "watt.json"),
    "dashboard": Seen(("dashboard", "--no-open"), "http://127.0.0.1:"),
    "env": Seen(("env", "api"), "COLOUR=blue"),
    "exec": Seen(("exec", "api", "--", "sh", "-c", "echo is $COLOUR"), "is blue", json=False),
    "inject": Seen(("inject", "api", "-p", "/x"), '"path": "/x"'),
    "logs": Seen(("logs", "pywatt"), "pywatt is now listening", f"{GREEN}INFO"),
    "metrics": Seen(("metrics",), "pywatt_app_info{", json=False),
    "profile": Seen(("profile", "api", "memory", "--seconds", "1", "-o", "made.json"), "Wrote made.json: "),
    "ps": Seen(("ps",), "ready", f"{GREEN}ready"),
    "reload": Seen(("reload",), "Reloaded: nothing is different."),
    "restart": Seen(("restart", "api"), "Restarted api."),
    "routes": Seen(("routes",), "/api", f"{BOLD}RULE"),
    "scale": Seen(("scale", "api=1"), "Scaled api to 1."),
    "schema": Seen(("schema",), '"entrypoint"'),
    "services": Seen(("services",), "gateway *", f"{GREEN}ready"),
    "stack": Seen(("stack", "api"), "worker 0 (pid"),
    "top": Seen(("top", "--once", "--interval", "0.1"), "gateway *", f"{GREEN}ready"),
    "validate": Seen(("validate",), "is valid: 2 services"),
}
TESTED_IN_OTHER_FILES = {
    "cache": "test_response_cache",
    "repl": "test_repl",
    "dev": "test_dev_in_a_terminal, test_dev_piped",
    "start": "test_start_in_a_terminal, test_start_piped",
    "stop": "test_start_in_a_terminal, test_start_piped",
    "kafka start": "test_kafka_both_forms",
    "kafka topics": "test_kafka_both_forms",
    "kafka produce": "test_kafka_both_forms",
    "kafka consume": "test_kafka_both_forms",
    "kafka groups": "test_kafka_both_forms",
    "kafka reset": "test_kafka_both_forms",
    "kafka lag": "test_kafka_both_forms",
    "kafka why": "test_kafka_both_forms",
    "kafka dlq list": "test_kafka_both_forms",
    "kafka dlq show": "test_kafka_both_forms",
    "kafka dlq redrive": "test_kafka_both_forms",
    "kafka dlq purge": "test_kafka_both_forms",
}
"""Commands with their own tests of both forms."""
ASK_AN_APP = ["config", "env", "inject", "reload", "restart", "scale", "services", "stack", "stop", "top"]


def leaves(each: click.Command, *names: str) -> Iterator[str]:
    """Yield the names of all commands that can be run; one that lists by default counts with all that it does."""
    if not isinstance(each, click.Group) or isinstance(each, ListByDefaultGroup):
        yield " ".join(names)
        return
    context = click.Context(each)
    for name in each.list_commands(context):
        found = each.get_command(context, name)
        assert found is not None
        yield from leaves(found, *names, name)


def test_every_command_is_tested_in_both_forms() -> None:
    assert set(leaves(pywatt)) == {*SHOWN, *TESTED_IN_OTHER_FILES}


def test_every_command_is_in_the_docs() -> None:
    text = (Path(__file__).parents[3] / "docs" / "commands.md").read_text()
    assert set(re.findall(r"^## pywatt (.+)$", text, re.MULTILINE)) == set(leaves(pywatt))


@contextmanager
def running_shop(folder: Path, env: Mapping[str, str]) -> Iterator[RunningApp]:
    marker = uuid.uuid4().hex
    with run_pywatt(folder, env={**env, MARKER: marker, "PORT": "0"}) as app:
        assert app.url
        yield app
        assert app.stop() == 0
    assert wait_for_end(marked(marker)) == []


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Hide the apps of other tests from the commands."""
    return {"PYWATT_RUNTIME_DIR": str(tmp_path_factory.mktemp("run")), "PORT": "0"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Iterator[Path]:
    """Run an app for all tests here that do not end it; return its folder."""
    folder = write_files(tmp_path_factory.mktemp("shop"), gateway_and_api(env={"COLOUR": "blue", "KEY": "s3cret"}))
    with running_shop(folder, env):
        yield folder


def place(name: str, shop: Path, tmp_path: Path) -> Path:
    return tmp_path if name == "create" else shop


@pytest.mark.parametrize("name", SHOWN)
def test_piped(name: str, shop: Path, env: dict[str, str], tmp_path: Path) -> None:
    seen = SHOWN[name]
    done = command(place(name, shop, tmp_path), *seen.words, env=env)
    assert (done.status, done.err) == (0, "")
    assert seen.text in done.out
    assert "\x1b" not in done.out
    assert "s3cret" not in done.out


@pytest.mark.parametrize("name", SHOWN)
def test_in_a_terminal(name: str, shop: Path, env: dict[str, str], tmp_path: Path) -> None:
    seen = SHOWN[name]
    with terminal(place(name, shop, tmp_path), *seen.words, env=env) as screen:
        assert screen.wait() == 0
    assert seen.text in screen.plain
    assert seen.colour in screen.text
    assert bool(seen.colour) is ("\x1b" in screen.text)
    assert "s3cret" not in screen.text


@pytest.mark.parametrize("name", [name for name, seen in SHOWN.items() if seen.colour])
def test_in_a_terminal_without_colours(name: str, shop: Path, env: dict[str, str]) -> None:
    with terminal(shop, *SHOWN[name].words, env={**env, "NO_COLOR": "1"}) as screen:
        assert screen.wait() == 0
    assert SHOWN[name].text in screen.text
    assert "\x1b" not in screen.text


@pytest.mark.parametrize("name", [name for name, seen in SHOWN.items() if seen.json])
def test_json_is_json_in_both_forms(name: str, shop: Path, env: dict[str, str], tmp_path: Path) -> None:
    words = (*SHOWN[name].words, "--json")
    piped = command(place(name, shop, tmp_path / "a"), *words, env=env) if name != "create" else None
    with terminal(place(name, shop, tmp_path), *words, env=env) as screen:
        assert screen.wait() == 0
    shown = documents(screen.plain)
    assert shown
    assert "\x1b" not in screen.text
    if piped is not None:
        assert (piped.status, piped.err) == (0, "")
        assert shape(documents(piped.out)) == shape(shown)


def documents(text: str) -> list[object]:
    """Return the printed JSON: one document, or one per line."""
    try:
        return [json.loads(text)]
    except ValueError:
        return [json.loads(line) for line in text.splitlines()]


def shape(found: list[object]) -> object:
    first = found[0][0] if isinstance(found[0], list) else found[0]
    return sorted(first) if isinstance(first, dict) else first


def words_of(name: str) -> tuple[str, ...]:
    return SHOWN[name].words if name in SHOWN else (name,)


@pytest.mark.parametrize("name", ASK_AN_APP)
def test_that_no_app_runs_is_told_with_what_to_do(name: str, tmp_path: Path) -> None:
    env = {"PYWATT_RUNTIME_DIR": str(tmp_path / "run")}
    done = command(tmp_path, *words_of(name), env=env)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("error: no app runs")
    assert "fix: start one with `pywatt start`" in done.err
    with terminal(tmp_path, *words_of(name), env=env) as screen:
        assert screen.wait() == 1
    assert screen.plain == done.err
    assert screen.text.startswith(f"{RED};1merror:")


@pytest.mark.parametrize("words", [("ps",), ("ps", "--json"), ("logs",)])
def test_that_no_app_has_run_is_told(words: tuple[str, ...], tmp_path: Path) -> None:
    env = {"PYWATT_RUNTIME_DIR": str(tmp_path / "run"), "XDG_STATE_HOME": str(tmp_path)}
    text = {"ps": "No app runs.\n", "ps --json": "[]\n", "logs": "none has left a log"}[" ".join(words)]
    done = command(tmp_path, *words, env=env)
    with terminal(tmp_path, *words, env=env) as screen:
        assert screen.wait() == done.status
    assert screen.plain == done.out + done.err
    assert text in screen.plain


def test_of_several_apps_one_has_to_be_named(
    shop: Path, env: dict[str, str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other_folder = tmp_path_factory.mktemp("elsewhere")
    write_files(tmp_path, gateway_and_api())
    with running_shop(tmp_path, env) as second:
        for name in ASK_AN_APP:
            done = command(other_folder, *words_of(name), env=env)
            assert done.status == 1
            assert any(told in done.err for told in ("2 apps run", "these do", "no app of this folder runs"))
            assert f"{second.process.pid} ({tmp_path.name} in {tmp_path})" in done.err
        with terminal(other_folder, "services", env=env) as screen:
            assert screen.wait() == 1
        assert "2 apps run: say which one" in screen.plain
        with terminal(other_folder, "services", str(second.process.pid), env=env) as screen:
            assert screen.wait() == 0
        assert "gateway *" in screen.plain
        assert [row["name"] for row in command(other_folder, "ps", "--json", env=env).json] == [
            shop.name,
            tmp_path.name,
        ]


WRONG = [
    ("env", "apy"),
    ("profile", "apy", "memory"),
    ("inject", "apy"),
    ("restart", "apy"),
    ("scale", "apy=2"),
    ("stack", "apy"),
]


@pytest.mark.parametrize("words", WRONG)
def test_a_wrong_id_is_told_with_the_right_one(words: tuple[str, ...], shop: Path, env: dict[str, str]) -> None:
    done = command(shop, *words, env=env)
    with terminal(shop, *words, env=env) as screen:
        assert screen.wait() == done.status == 1
    assert screen.plain == done.err
    assert 'did you mean "api"? known ids: api, gateway' in done.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("restrat",), 'did you mean "restart"?'),
        (("xyz",), 'there is no command "xyz"'),
        (("ps", "--jsn"), "--json"),
        (("scale", "api"), "pywatt scale api=2"),
        (("schema", "gatway"), 'did you mean "gateway"?'),
        (("completion", "csh"), "fish"),
        (("start", "nowhere"), 'the app has no service "nowhere"'),
        (("validate", "nowhere"), "there is no such folder or file"),
    ],
)
def test_a_slip_of_the_finger_is_told(words: tuple[str, ...], told: str, shop: Path, env: dict[str, str]) -> None:
    done = command(shop, *words, env=env)
    with terminal(shop, *words, env=env) as screen:
        assert screen.wait() == done.status != 0
    assert done.out == ""
    assert told in done.err
    assert told in screen.plain
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["sto"], ["stop"]),
        (["restart", ""], ["gateway", "api", "shop0"]),
        (["restart", "api", ""], ["gateway"]),
        (["env", "shop0", "a"], ["api"]),
        (["stop", "sh"], ["shop0"]),
        (["schema", "gat"], ["gateway"]),
        (["profile", "api", "m"], ["memory"]),
        (["ps", "--j"], ["--json"]),
    ],
)
def test_bash_completes(typed: list[str], offered: list[str], shop: Path, env: dict[str, str]) -> None:
    words = " ".join(["pywatt", *(word or "''" for word in typed)])
    script = (
        'eval "$(pywatt completion bash)"; '
        f"COMP_WORDS=({words}) COMP_CWORD={len(typed)}; _pywatt_completion pywatt; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    found = subprocess.run(
        ["bash", "-c", script],
        cwd=shop,
        env={**clean_environment(), **env, "PATH": f"{PYWATT.parent}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.split() == offered


def answered(screen: Terminal) -> Outcome:
    return Outcome(screen.wait(), screen.plain, "")


def test_start_in_a_terminal(env: dict[str, str], tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api())
    with terminal(tmp_path, "start", env=env) as screen:
        screen.wait_for("pywatt is now listening at http://127.0.0.1:")
        assert f"{GREEN}INFO " in screen.text
        done = command(tmp_path, "stop", env=env)
        assert (done.status, done.err) == (0, "")
        assert done.out == f'Stopped "{tmp_path.name}" (pid {screen.process.pid}).\n'
        assert screen.wait() == 0
    with terminal(tmp_path, "start", env=env) as screen:
        screen.wait_for("pywatt is now listening")
        screen.type("\x03")
        assert screen.wait() == 0


def test_start_piped(env: dict[str, str], tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api())
    with run_pywatt(tmp_path, env=env) as app:
        assert app.url
        with terminal(tmp_path, "stop", env=env) as screen:
            done = answered(screen)
        assert (done.status, done.out) == (0, f'Stopped "{tmp_path.name}" (pid {app.process.pid}).\n')
        assert app.wait() == 0
        for line in app.lines:
            assert {"level", "time", "pid", "hostname", "name", "msg"} <= set(line)
            assert "\x1b" not in line["msg"]


def test_a_folder_that_is_too_long_for_sockets_is_told(tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api())
    done = command(tmp_path, "start", env={"PYWATT_RUNTIME_DIR": f"/tmp/{'x' * 90}", "PORT": "0"})
    assert (done.status, done.out) == (1, "")
    assert "set PYWATT_RUNTIME_DIR to a folder of at most 80 bytes" in done.err


def test_dev_in_a_terminal(env: dict[str, str], tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api())
    with terminal(tmp_path, "dev", env=env) as screen:
        screen.wait_for("1 gateway ● 2 api ● · http://127.0.0.1:")
        screen.wait_for("r restart all · q quit")
        screen.type("2")
        screen.wait_for('new code of the service "api" serves')
        screen.type("q")
        assert screen.wait() == 0


def test_dev_piped(env: dict[str, str], tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api())
    with run_pywatt(tmp_path, "dev", env=env) as app:
        assert app.url
        assert app.stop() == 0
        assert all({"level", "time", "name", "msg"} <= set(line) for line in app.lines)
        assert "quit" not in app.output
