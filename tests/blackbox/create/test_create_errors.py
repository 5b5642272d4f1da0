"""Requests that `pywatt create` rejects: it reports the reason and the fix, and leaves no files behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.app import PYWATT, write_files

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["app", "--service", "Api=python"], ['"Api" cannot be an id', "lower-case"]),
        (["app", "--service", "=python"], ['"" cannot be an id']),
        (["app", "--service", "api=pyton"], ['no kind of service "pyton"', 'did you mean "python"?']),
        (["app", "--service", "api=python:fastpi"], ['no template "fastpi"', 'did you mean "fastapi"?']),
        (["app", "--service", "api=gateway:x"], ['no template "x"', 'say just "gateway"']),
        (["app", "--service", "a=b=c"], ["cannot read --service a=b=c", "ID=KIND[:TEMPLATE]"]),
        (["app", "-s", "api=python:asgi", "-s", "api=worker"], ['there is a service "api" already', "api-2=worker"]),
        (["--name", "../up"], ['"../up" cannot be a name']),
        (["--name", ""], ['"" cannot be a name']),
    ],
)
def test_what_cannot_be_made(run: Run, tmp_path: Path, arguments: list[str], words: list[str]) -> None:
    done = run(PYWATT, "create", "--yes", *arguments)
    assert done.returncode == 2
    for word in words:
        assert word in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_without_a_terminal_it_does_not_ask(run: Run, tmp_path: Path) -> None:
    done = run(PYWATT, "create", "app")
    assert done.returncode == 2
    assert "no terminal to ask on" in done.stderr
    assert "--yes" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_place_of_a_folder(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path, {"app/web": "a file"})
    done = run(PYWATT, "create", "--yes", "app")
    assert done.returncode == 2
    assert f"{tmp_path}/app/web is a file, but a folder is to be made there" in done.stderr
    assert [path.name for path in (tmp_path / "app").iterdir()] == ["web"]


def test_a_folder_in_the_place_of_a_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "app" / "watt.json").mkdir(parents=True)
    done = run(PYWATT, "create", "--yes", "app")
    assert done.returncode == 2
    assert "watt.json is a folder, but a file is to be written there" in done.stderr
    assert [path.name for path in (tmp_path / "app").iterdir()] == ["watt.json"]


def test_a_single_service_is_no_app(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path, {"platformatic.json": {"type": "python"}, "app.py": "app = 1\n"})
    done = run(PYWATT, "create", "--yes", "--service", "new=worker")
    assert done.returncode == 2
    assert "describes a single service" in done.stderr
    assert len(list(tmp_path.iterdir())) == 2
