"""Selects a running app and its services by the words after a command: `[ID] [SERVICE...]`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pywatt.config.diagnostics.hints import closest_match, suggest
from pywatt.control.client import ControlClient
from pywatt.control.discovery import choose, implied, listed, named, not_running, running
from pywatt.control.metadata import Runtime
from pywatt.errors import ConfigError, ControlError, NotKnown

_ID = "ID is an app's pid, name or folder; without it, the app of this folder"
ID_HELP = f"{_ID}, or the only one that runs, is meant."
"""Help of read-only commands."""
ACTING_ID_HELP = f"{_ID} is meant."
"""Help of commands that change an app. They must not guess: the only app that runs may be another project's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A running app and its selected services."""

    client: ControlClient
    rows: Sequence[dict[str, Any]]
    """The selected services as the control API reports them; all except internal ones if none was named."""
    named: bool
    """True if the user named services."""

    @property
    def runtime(self) -> Runtime:
        """The app."""
        return self.client.runtime


def find_app(wanted: str | None, *, guess: bool) -> ControlClient:
    """Return the selected app. Raises ControlError."""
    return ControlClient(choose(running(), wanted, Path.cwd(), guess=guess))


def find_services(words: Sequence[str], *, guess: bool) -> Selection:
    """Return the selected app and services. Raises ControlError."""
    runtime, services = split(running(), words, Path.cwd(), _ids, guess=guess)
    client = ControlClient(runtime)
    rows = client.services()
    if not services:
        return Selection(client=client, rows=[row for row in rows if not row["internal"]], named=False)
    by_id = {row["id"]: row for row in rows}
    for service in services:
        if service not in by_id:
            raise unknown_service(runtime, service, _ids_in(rows))
    return Selection(client=client, rows=[by_id[service] for service in dict.fromkeys(services)], named=True)


def find_service(words: Sequence[str], *, guess: bool) -> tuple[ControlClient, dict[str, Any]]:
    """Return the selected app and its one selected service. Raises ControlError."""
    selection = find_services(words, guess=guess)
    if selection.named and len(selection.rows) == 1:
        return selection.client, selection.rows[0]
    ids = ", ".join(row["id"] for row in selection.rows)
    raise ControlError("which service?", hint=f"name one: {ids}")


def split(
    runtimes: Sequence[Runtime],
    words: Sequence[str],
    cwd: Path,
    ids: Callable[[Runtime], Mapping[str, bool]],
    *,
    guess: bool,
) -> tuple[Runtime, Sequence[str]]:
    """Return the app and the remaining words: a first word that is a service of the implied app is not an app's name.

    `ids` tells the services of an app, and whether they are internal. Raises ControlError.
    """
    if not words:
        return choose(runtimes, None, cwd, guess=guess), ()
    near = implied(runtimes, cwd, guess=guess)
    apps = named(runtimes, words[0], cwd)
    if len(near) == 1:
        known = ids(near[0])
        if words[0] in known:
            return near[0], words
        if not apps:
            error = unknown_service(near[0], words[0], known)
            if len(runtimes) > 1:
                error.hint += f"; apps that run: {listed(runtimes)}"
            raise error
    elif not apps:
        raise _neither(runtimes, words[0], cwd, ids)
    return apps[0] if len(apps) == 1 else choose(runtimes, words[0], cwd, guess=guess), words[1:]


def _neither(
    runtimes: Sequence[Runtime], word: str, cwd: Path, ids: Callable[[Runtime], Mapping[str, bool]]
) -> ControlError:
    """Return the error for a word that is neither an app's name nor a service of the implied app."""
    for runtime in runtimes if len(runtimes) == 1 else ():
        if word in ids(runtime):
            hint = f'name its app too, as in "{runtime.name} {word}": {listed(runtimes)}'
            return ControlError(f'no app of this folder runs, whose service "{word}" could be', hint=hint)
    folder = _app_folder(cwd) if runtimes else None
    if folder is not None and closest_match(word, [runtime.name for runtime in runtimes]) is None:
        message = f'the app of this folder, {folder}, does not run: it has no service "{word}" now'
        return NotKnown(message, hint="start it with `pywatt start`; `pywatt ps` shows the apps that run")
    return not_running(runtimes, word)


def _app_folder(cwd: Path) -> Path | None:
    """Return the folder of the app that the working directory belongs to, running or not."""
    from pywatt.config.discovery import find_app as find_source

    try:
        source = find_source(None, cwd=cwd, config=None)
    except ConfigError:
        return cwd if cwd.is_dir() else None  # a file that cannot be read is one of an app
    return source.folder if source.has_file else None


def unknown_service(runtime: Runtime, service: str, ids: Mapping[str, bool]) -> NotKnown:
    """Return the error for an unknown service id; it lists the services that are not internal."""
    known = [name for name, internal in ids.items() if not internal]
    hint = suggest(service, known, kind="known ids", always_list=True)
    return NotKnown(f'the app "{runtime.name}" (pid {runtime.pid}) has no service "{service}"', hint=hint)


def _ids(runtime: Runtime) -> Mapping[str, bool]:
    return _ids_in(ControlClient(runtime).services())


def _ids_in(rows: Sequence[dict[str, Any]]) -> Mapping[str, bool]:
    return {row["id"]: row["internal"] for row in rows}
