"""Discovery of this user's running apps, and the choice of the one that a command means."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pywatt.config.diagnostics.hints import suggest
from pywatt.control.metadata import Runtime, read
from pywatt.control.runtime_folder import belongs_to_us, runtimes_folder
from pywatt.errors import ConfigError, ControlError, NotKnown

NONE_RUNS = "start one with `pywatt start`, or make one with `pywatt create`"


def running(base: Path | None = None) -> list[Runtime]:
    """Return the apps that run, the oldest first."""
    base = runtimes_folder() if base is None else base
    if not belongs_to_us(base):
        return []
    found = [read(folder) for folder in base.iterdir()]
    return sorted((runtime for runtime in found if runtime is not None), key=lambda runtime: runtime.started)


def named(runtimes: Sequence[Runtime], wanted: str, cwd: Path) -> list[Runtime]:
    """Return the apps that a word means: a pid, a name, or a folder."""
    by_pid = [runtime for runtime in runtimes if str(runtime.pid) == wanted]
    by_name = [runtime for runtime in runtimes if runtime.name == wanted]
    if by_pid or by_name:
        return by_pid or by_name
    folder = Path(os.path.normpath(cwd / wanted))
    return [runtime for runtime in runtimes if _same(runtime.root, folder)] if os.sep in wanted or wanted == "." else []


def implied(runtimes: Sequence[Runtime], cwd: Path, *, guess: bool) -> list[Runtime]:
    """Return the apps that a command means when it names none: that of the working directory.

    With `guess`, which is only for commands that look and change nothing, all apps are meant where there is none.
    """
    around = [runtime for runtime in runtimes if _is_around(runtime, cwd)]
    deepest = max((len(runtime.root.parts) for runtime in around), default=0)
    mine = [runtime for runtime in around if len(runtime.root.parts) == deepest]
    if guess:
        return mine or list(runtimes)
    return [runtime for runtime in mine if not _has_nearer_app(cwd, runtime.root)]


def choose(runtimes: Sequence[Runtime], wanted: str | None, cwd: Path, *, guess: bool) -> Runtime:
    """Return the one app that is meant. Raises NotKnown and ControlError, which list those there are."""
    if wanted is not None:
        found = named(runtimes, wanted, cwd)
        if not found:
            raise not_running(runtimes, wanted)
    else:
        found = implied(runtimes, cwd, guess=guess)
    if not found and runtimes:
        raise ControlError("no app of this folder runs", hint=f"name the app that you mean: {listed(runtimes)}")
    if not found:
        raise ControlError("no app runs here", hint=NONE_RUNS)
    if len(found) > 1:
        what = f'{len(found)} apps with the name "{wanted}" run' if wanted is not None else f"{len(found)} apps run"
        raise ControlError(f"{what}: say which one", hint=f"give its pid: {listed(found)}")
    return found[0]


def not_running(runtimes: Sequence[Runtime], wanted: str) -> NotKnown:
    """Return the error for a word that is no app's name."""
    if not runtimes:
        return NotKnown(f'no app runs, so "{wanted}" means nothing', hint=NONE_RUNS)
    near = suggest(wanted, {runtime.name for runtime in runtimes}, kind="names")
    question = f"{near} " if near.endswith("?") else ""
    return NotKnown(f'no app "{wanted}" runs', hint=f"{question}these do: {listed(runtimes)}")


def _is_around(runtime: Runtime, cwd: Path) -> bool:
    """Return whether a folder is the app's or inside it; a folder may have been reached by links."""
    return cwd.is_relative_to(runtime.root) or cwd.resolve().is_relative_to(runtime.root.resolve())


def _same(folder: Path, other: Path) -> bool:
    return folder == other or folder.resolve() == other.resolve()


def _has_nearer_app(cwd: Path, root: Path) -> bool:
    """Return whether a folder belongs to an app of its own that lies inside the one at `root`."""
    from pywatt.config.discovery import config_files, is_root
    from pywatt.config.files.document import read_document

    for folder in (cwd, *cwd.parents):
        if _same(folder, root):
            return False
        for file in config_files(folder):
            try:
                if is_root(read_document(file).data):
                    return True
            except ConfigError:
                # An app or a service: unless the app around it lists the folder, nothing may be done to that app.
                return not _is_listed(folder, root)
    return False


def _is_listed(folder: Path, root: Path) -> bool:
    """Return whether the app at `root` has the folder as one of its services."""
    from pywatt.config.discovery import config_files
    from pywatt.config.files.document import read_document
    from pywatt.config.services.entries import lists_folder

    try:
        return any(lists_folder(read_document(file), folder) for file in config_files(root))
    except ConfigError:
        return False


def listed(runtimes: Sequence[Runtime]) -> str:
    """Return the apps as a list for an error."""
    return ", ".join(f"{runtime.pid} ({runtime.name} in {runtime.root})" for runtime in runtimes)
