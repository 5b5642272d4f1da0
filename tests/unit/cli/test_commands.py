from __future__ import annotations

from importlib.metadata import EntryPoint

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
