"""Commands that need no running app: schema, completion, help."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest
from harness.app import PYWATT, clean_environment, write_files
from harness.apps import gateway_and_api
from harness.terminal import Outcome, command, terminal

Run = Callable[..., Outcome]

COMMANDS = ["completion", "config", "env", "inject", "logs", "ps", "reload", "restart", "scale", "schema", "services"]
COMMANDS += ["stack", "start", "stop", "validate"]


def test_schema_prints_what_editors_and_checks_can_use(run: Run, tmp_path: Path) -> None:
    root = run("schema").json
    jsonschema.Draft202012Validator.check_schema(root)
    assert "entrypoint" in root["properties"]
    assert run("schema", "runtime", "--json").json == root
    names = run("schema", "--list").out.split()
    assert {"runtime", "gateway", "kafka-hooks", "python"} <= set(names)
    for name in names:
        jsonschema.Draft202012Validator.check_schema(run("schema", name).json)
    assert run("schema", "--list", "--json").json == names
    with terminal(tmp_path, "schema", "gateway") as screen:
        assert screen.wait() == 0
        assert "proxy" in json.dumps(json.loads(screen.plain))


def test_validate_prints_json_for_a_good_and_a_bad_app(run: Run, tmp_path: Path) -> None:
    files = gateway_and_api()
    write_files(tmp_path, files)
    good = command(tmp_path, "validate", "--json", env={"PORT": "0"})
    assert (good.status, good.json["valid"], good.json["entrypoint"]) == (0, True, "gateway")
    write_files(tmp_path, {**files, "watt.json": '{"web": [], "entrypont": 1}'})
    bad = run("validate", "--json")
    assert (bad.status, bad.json["valid"]) == (2, False)
    assert any(problem["key"] == "entrypont" for problem in bad.json["problems"])


def test_an_unknown_schema_is_told_with_the_known_ones(run: Run) -> None:
    done = run("schema", "gatway")
    assert done.status == 1
    assert 'did you mean "gateway"?' in done.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(run: Run, shell: str) -> None:
    done = run("completion", shell)
    assert done.status == 0
    assert "_PYWATT_COMPLETE" in done.out


def test_the_completion_of_bash_completes_commands(tmp_path: Path) -> None:
    env = {**clean_environment(), "PATH": f"{PYWATT.parent}{os.pathsep}{os.environ['PATH']}"}
    script = 'eval "$(pywatt completion bash)"; COMP_WORDS=(pywatt res) COMP_CWORD=1; _pywatt_completion pywatt; '
    done = subprocess.run(
        ["bash", "-c", script + 'echo "${COMPREPLY[@]}"'],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "restart" in done.stdout.split()


def test_an_unknown_shell_is_refused(run: Run) -> None:
    done = run("completion", "csh")
    assert done.status == 2
    assert "fish" in done.err


def test_help_names_every_command(run: Run, tmp_path: Path) -> None:
    done = run("--help")
    assert done.status == 0
    for name in COMMANDS:
        assert f"  {name} " in done.out
        assert run(name, "--help").status == 0
    with terminal(tmp_path, "-h") as screen:
        assert screen.wait() == 0
