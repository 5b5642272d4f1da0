"""Runs `pywatt create` and the tests of the created app."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness.app import PYWATT, clean_environment
from harness.processes import MARKER, marked, wait_for_end

PATIENCE = 110.0

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, marker: str) -> Iterator[Run]:
    """Run a program in the temporary folder, or in one below it."""

    def run_program(*arguments: str | Path, folder: str = ".", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            arguments,
            cwd=tmp_path / folder,
            env={**clean_environment(), MARKER: marker, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )

    yield run_program
    assert wait_for_end(marked(marker)) == []


@pytest.fixture
def create(run: Run) -> Run:
    """Run `pywatt create --yes`, which must succeed."""

    def run_create(*arguments: str, folder: str = ".", **env: str) -> subprocess.CompletedProcess[str]:
        done = run(PYWATT, "create", "--yes", *arguments, folder=folder, **env)
        assert done.returncode == 0, done.stderr
        return done

    return run_create


@pytest.fixture
def check(run: Run, tmp_path: Path) -> Callable[[str], int]:
    """Check a made app: its config, its schemas, its own tests; return how many of those passed."""

    def check_app(folder: str) -> int:
        for file in (tmp_path / folder).rglob("*.json"):
            if ".pywatt" not in file.parts:
                fits_its_schema(file)
        done = run(PYWATT, "validate", folder=folder)
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", folder=folder)
        assert done.returncode == 0, done.stdout
        return int(done.stdout.splitlines()[-1].split()[0])

    return check_app


def fits_its_schema(file: Path) -> None:
    """Check a file as an editor would: by the schema that it names, before any placeholder is replaced."""
    document: dict[str, Any] = json.loads(file.read_text())
    schema = json.loads(Path(os.path.normpath(file.parent / document["$schema"])).read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(document, schema)
