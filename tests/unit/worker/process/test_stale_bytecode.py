"""A file that is saved twice within a second runs as saved last."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from pywatt.worker.process.stale_bytecode import SETTLED, cache_settled_files_only

SAVED = 1_700_000_000.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.setattr(sys, "pycache_prefix", None)
    loader: Any = SourceFileLoader
    monkeypatch.setattr(loader, "_cache_bytecode", loader._cache_bytecode)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("saved_module", None)


def save(folder: Path, version: int) -> None:
    file = folder / "saved_module.py"
    file.write_text(f"VERSION = {version}\n")
    os.utime(file, (SAVED, SAVED))


def version() -> int:
    sys.modules.pop("saved_module", None)
    importlib.invalidate_caches()
    found: int = importlib.import_module("saved_module").VERSION
    return found


def test_a_file_that_was_saved_just_now_is_not_cached(folder: Path) -> None:
    cache_settled_files_only(lambda: SAVED + SETTLED / 2)
    save(folder, 1)
    assert version() == 1
    save(folder, 2)
    assert version() == 2


def test_a_file_that_was_saved_long_ago_is_cached(folder: Path) -> None:
    cache_settled_files_only(lambda: SAVED + 10 * SETTLED)
    save(folder, 1)
    assert version() == 1
    assert list((folder / "__pycache__").glob("saved_module.*"))
