from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from harness.app import RunningApp, Start, run_pywatt, write_files
from harness.processes import MARKER, marked, wait_for_end


@pytest.fixture
def marker() -> str:
    return uuid.uuid4().hex


@pytest.fixture
def start(tmp_path: Path, marker: str) -> Iterator[Start]:
    """Run `pywatt` on files in a temporary folder; at the end of the test, no process of it may be left."""

    def start_on(
        files: Mapping[str, str | dict[str, Any]], *arguments: str, env: Mapping[str, str] | None = None
    ) -> AbstractContextManager[RunningApp]:
        write_files(tmp_path, files)
        return run_pywatt(tmp_path, *arguments, env={MARKER: marker, "PORT": "0", **(env or {})})

    yield start_on
    assert wait_for_end(marked(marker)) == []
