"""A worker that exits by `sys.exit`: its status counts like that of any program."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from harness.app import RunningApp, Start
from harness.terminal import command

LEAVES = """
import asyncio, sys

async def main():
    await asyncio.to_thread(open, "go")
    sys.exit({status})
"""


def let_go(app: RunningApp, folder: Path) -> None:
    """Let the job leave, once it has started: opening a pipe waits for its other end."""
    app.wait_for_text("pywatt has started; its entrypoint answers no HTTP")
    (folder / "job/go").open("w").close()


def job(status: object, **root: Any) -> dict[str, str | dict[str, Any]]:
    return {"watt.json": {"web": [{"id": "job", "path": "job"}], **root}, "job/main.py": LEAVES.format(status=status)}


def test_a_job_that_leaves_with_0_has_finished(start: Start, tmp_path: Path) -> None:
    (tmp_path / "job").mkdir()
    os.mkfifo(tmp_path / "job/go")
    with start(job(0, restart={"policy": "transient"})) as app:
        let_go(app, tmp_path)
        app.wait_for_text('the service "job" has done its work')
        assert [(row["id"], row["state"]) for row in command(tmp_path, "services", "--json").json] == [
            ("job", "finished")
        ]
        assert all(line["level"] < 50 for line in app.lines), app.output


@pytest.mark.parametrize(("status", "told"), [(3, "exit status 3"), ("'bad luck'", "exit status 1")])
def test_a_failure_has_its_status_and_one_traceback_of_the_users_code(
    start: Start, tmp_path: Path, status: object, told: str
) -> None:
    (tmp_path / "job").mkdir()
    os.mkfifo(tmp_path / "job/go")
    with start(job(status, restart={"policy": "temporary"})) as app:
        let_go(app, tmp_path)
        app.wait_for_text(f'service "job" ended: {told}')
        (traceback,) = [line["err"]["stack"] for line in app.lines if "err" in line]
        assert traceback.splitlines()[1].endswith('/job/main.py", line 6, in main')
