from __future__ import annotations

import asyncio
import errno
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest
from harness.restart_config import RESTART
from watchfiles import awatch
from watchfiles.main import FileChange

from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.dev.watch_rules import WatchRules
from pywatt.dev.watcher import Watcher, wants_polling


def watch_rules(root: Path) -> WatchRules:
    service = ServiceConfig(restart=RESTART, id="api", path=root, type="python")
    config = RuntimeConfig(name="x", root=root, file=root / "watt.json", services=(service,), entrypoint=None)
    return WatchRules(config, {})


@pytest.mark.parametrize(
    ("error", "setting"),
    [
        (OSError("OS file watch limit reached."), "max_user_watches"),
        (OSError(errno.EMFILE, "Too many open files"), "max_user_instances"),
        (RuntimeError("Error creating recommended watcher: Too many open files"), "max_user_instances"),
    ],
)
async def test_a_limit_of_the_kernel_is_told_and_the_files_are_scanned(
    tmp_path: Path, error: Exception, setting: str
) -> None:
    async def report(folders: Iterable[Path], over: anyio.Event) -> AsyncGenerator[set[Path]]:
        raise error
        yield set()

    warnings: list[str] = []
    watcher = Watcher(lambda: watch_rules(tmp_path), since=0, polling=False, warn=warnings.append, report=report)
    async with aclosing(watcher.changes()) as changes:
        (tmp_path / "first.py").touch()
        assert await anext(changes) == {tmp_path / "first.py"}
        (tmp_path / "second.py").touch()
        assert await anext(changes) == {tmp_path / "second.py"}
        (tmp_path / "third.py").touch()
        assert await anext(changes) == {tmp_path / "third.py"}
    assert len(warnings) == 1
    assert setting in warnings[0]
    assert ".gitignore" in warnings[0]


async def test_a_save_between_two_watches_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()

    async def report(folders: Iterable[Path], over: anyio.Event) -> AsyncGenerator[set[Path]]:
        if tmp_path / "parts" in folders:
            (tmp_path / "parts").rmdir()
            (tmp_path / "unseen.py").touch()
            yield {tmp_path / "parts"}
        await anyio.sleep_forever()

    watcher = Watcher(lambda: watch_rules(tmp_path), since=0, polling=False, warn=pytest.fail, report=report)
    async with aclosing(watcher.changes()) as changes:
        assert await anext(changes) == {tmp_path / "unseen.py"}


async def test_a_save_just_before_the_kernel_watches_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def watch_late(*folders: Path, **options: Any) -> AsyncGenerator[set[FileChange]]:
        (tmp_path / "unseen.py").touch()
        async with aclosing(awatch(*folders, **options)) as changes:
            async for change in changes:
                yield change

    monkeypatch.setattr("pywatt.dev.watcher.awatch", watch_late)
    watcher = Watcher(lambda: watch_rules(tmp_path), since=0, polling=False, warn=pytest.fail)
    async with asyncio.timeout(20), aclosing(watcher.changes()) as changes:
        assert await anext(changes) == {tmp_path / "unseen.py"}
        (tmp_path / "seen.py").touch()
        assert await anext(changes) == {tmp_path / "seen.py"}


@pytest.mark.parametrize(("value", "wanted"), [("", False), ("false", False), ("true", True), ("1", True)])
def test_polling_is_wanted_as_for_watchfiles(value: str, wanted: bool) -> None:
    assert wants_polling({"WATCHFILES_FORCE_POLLING": value}) is wanted
