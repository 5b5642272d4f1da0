from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest

from pywatt.cli import commands


def test_a_command_that_cannot_be_loaded_leaves_the_others_their_help(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("broken", "nothing_like_this:command", commands.ENTRY_POINT_GROUP)
    monkeypatch.setattr(commands, "entry_points", lambda **_: [broken])
    shown = commands.pywatt.get_help(click.Context(commands.pywatt))
    assert "broken" in shown
    assert "(cannot be loaded: No module named" in shown
    assert "Start the app for production." in shown


@pytest.mark.parametrize("arguments", [["start"], ["validate"], ["create", "-y"], ["logs"]])
def test_a_working_directory_that_was_deleted_is_no_traceback(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert commands.run(arguments) == 1
    assert capsys.readouterr().err == (
        "error: the working directory does not exist any more\nfix: go to another one with cd\n"
    )
