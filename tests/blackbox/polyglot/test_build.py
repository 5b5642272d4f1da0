"""`pywatt build` from the user's view."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.app import Start


def app_with(*services: dict[str, Any]) -> dict[str, str | dict[str, Any]]:
    """Return the files of an app with one command service for each `command` block."""
    ids = [f"service-{number}" for number in range(len(services))]
    files: dict[str, str | dict[str, Any]] = {"watt.json": {"web": [{"id": each, "path": each} for each in ids]}}
    for each, command in zip(ids, services, strict=True):
        files[f"{each}/platformatic.json"] = {"command": {"run": "true", **command}}
    return files


def test_each_build_runs_in_its_folder_in_order_and_its_output_is_seen(start: Start) -> None:
    files = app_with({"build": ["sh", "-c", "echo one; pwd"]}, {}, {"build": "sh -c 'echo $GREETING >&2'"})
    with start(files, "build", env={"GREETING": "hello"}) as build:
        assert build.wait() == 0
    lines = [line["msg"] for line in build.lines]
    assert lines[:2] == ["service-0: sh -c 'echo one; pwd'", "one"]
    assert lines[2].endswith("/service-0")
    assert lines[3:] == ["service-2: sh -c 'echo hello >&2'", "built 2 of 3 services"]
    assert build.stderr == ["hello"]


def test_a_failed_build_ends_it(start: Start) -> None:
    with start(app_with({"build": ["sh", "-c", "exit 3"]}, {"build": ["echo", "never"]}), "build") as build:
        assert build.wait() == 1
    assert build.stderr[0] == "error: service-0: the build failed: sh -c 'exit 3' ended with status 3"
    assert "never" not in build.output


def test_a_missing_program_is_told(start: Start) -> None:
    with start(app_with({"build": "./make it"}), "build") as build:
        assert build.wait() == 1
    assert build.stderr[0].startswith("error: service-0: no program './make' in ")
    assert "PATH" not in build.stderr[0]


def test_nothing_to_build(start: Start) -> None:
    with start(app_with({}), "build") as build:
        assert build.wait() == 0
    assert build.lines == [{"msg": "nothing to build: no service has a build command (command.build)"}]


def test_a_program_in_the_folder_is_found_there(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "service-0" / "make"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "made $1"\n')
    program.chmod(0o755)
    with start(app_with({"build": "./make it"}), "build") as build:
        assert build.wait() == 0
    assert build.lines[1] == {"msg": "made it"}
