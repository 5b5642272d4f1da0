"""Programs that command services name and that do not exist."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest
from harness.restart_config import RESTART

from pywatt.config.model import ServiceConfig
from pywatt.service_type import Preflight
from pywatt_services.command import TYPE
from pywatt_services.command.options import CommandOptions


def missing(folder: Path, program: str, *, expands: bool = True) -> list[str]:
    options = CommandOptions(run=(program, "x"), expands=expands, env={"TOOL": "./tool"})
    service = ServiceConfig(
        restart=RESTART, id="web", path=folder, type="command", options=options, env={"PATH": "/bin:/usr/bin"}
    )
    problems = list(cast(Preflight, TYPE).preflight(service))
    assert all(problem.key == "command" and problem.hint for problem in problems)
    return [problem.message for problem in problems]


@pytest.mark.parametrize("program", ["sh", "/bin/sh", "./tool", "$TOOL", "$TOLD_BY_PYWATT/x"])
def test_programs_that_exist(tmp_path: Path, program: str) -> None:
    (tmp_path / "tool").write_text("#!/bin/sh\n")
    (tmp_path / "tool").chmod(0o700)
    assert missing(tmp_path, program) == []


def test_programs_that_do_not_exist(tmp_path: Path) -> None:
    assert missing(tmp_path, "nothing-of-that-name") == [
        "there is no program 'nothing-of-that-name' in the folders of PATH (/bin:/usr/bin)"
    ]
    assert missing(tmp_path, "./tool") == [f"there is no program './tool' in {tmp_path}"]
