"""Finds the log for `pywatt logs`: of a running app, or of an app that has ended."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pywatt.control.discovery import NONE_RUNS, implied, listed, named, running
from pywatt.control.metadata import Runtime
from pywatt.errors import ControlError, NotKnown
from pywatt.logs.history import History, RingReader, histories, history_of, segments


def find_history(words: Sequence[str]) -> tuple[History, Sequence[str]]:
    """Return the selected app's log, and the services that the remaining words name. Raises ControlError.

    A first word that has logged something in the app of this folder is a service, no app's name.
    """
    cwd, runtimes = Path.cwd(), running()
    kept = histories(os.environ)
    here = _implied(cwd, runtimes, kept)
    if words:
        apps = _named(words[0], cwd, runtimes, kept)
        if apps and not (here is not None and _has_logged(here, words[0])):
            if len(apps) > 1:
                where = ", ".join(str(app.root) for app in apps)
                raise ControlError(f'{len(apps)} apps "{words[0]}" have a log', hint=f"run this in one of {where}")
            return _existing(apps[0]), words[1:]
    if here is not None:
        return _existing(here), words
    if words:
        hint = f"these run: {listed(runtimes)}" if runtimes else NONE_RUNS
        raise NotKnown(f'no app "{words[0]}" runs or has a log', hint=hint)
    if runtimes:
        raise ControlError(f"{len(runtimes)} apps run: say which one", hint=f"give its pid: {listed(runtimes)}")
    raise ControlError("no app runs here, and none has left a log", hint=NONE_RUNS)


def _implied(cwd: Path, runtimes: Sequence[Runtime], kept: Sequence[History]) -> History | None:
    """Return the app that the folder belongs to, else the only running app."""
    around = [*map(_of, runtimes), *kept]
    inside = [history for history in around if cwd.is_relative_to(history.root)]
    if inside:
        return max(inside, key=lambda history: len(history.root.parts))
    near = implied(runtimes, cwd, guess=True)
    return _of(near[0]) if len(near) == 1 else None


def _named(word: str, cwd: Path, runtimes: Sequence[Runtime], kept: Sequence[History]) -> list[History]:
    running_ones = {_of(runtime) for runtime in named(runtimes, word, cwd)}
    return list(running_ones or {history for history in kept if history.name == word})


def _of(runtime: Runtime) -> History:
    return history_of(runtime.name, runtime.root, os.environ)


def _existing(history: History) -> History:
    if not segments(history.folder):
        hint = "it is off in the root file (logger.history), or the app has another XDG_STATE_HOME"
        raise ControlError(f'the app "{history.name}" keeps no log', hint=hint)
    return history


def _has_logged(history: History, name: str) -> bool:
    reader = RingReader(history.folder)
    try:
        return any(record.name == name for record in reader.records())
    finally:
        reader.close()
