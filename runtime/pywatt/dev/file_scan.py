"""Scans the files that an app's services consist of, and compares two scans."""

from __future__ import annotations

import os
import stat
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from pywatt.dev.watch_rules import WatchRules

Stamp: TypeAlias = tuple[int, int, int]
"""Modification time in nanoseconds, size and inode: one of them changes with every save. A folder: zeros."""
Identity: TypeAlias = tuple[int, int]
"""Device and inode."""

_FOLDER: Stamp = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The files that count at one moment, and the folders to watch for changes of them."""

    files: Mapping[Path, Stamp]
    folders: Mapping[Path, Identity]
    """Each is watched by itself. The folders above a service's are among them, since they may be replaced."""


def scan(watch_rules: WatchRules, known: Container[Path] = ()) -> Snapshot:
    """Return the app's files and folders as they are now. A folder that is missing or cannot be read is left out.

    `known`: files that count, from an earlier scan; to ask for each costs most of a scan's time.
    """
    found = _Scan(watch_rules, known)
    for folder in watch_rules.folders:
        found.walk(folder)
    for folder in watch_rules.config_folders:
        found.list(folder)
    for folder in (*watch_rules.folders, *watch_rules.config_folders):
        for above in folder.parents:
            found.enter(above)
    return Snapshot(found.files, found.folders)


def changed_files(before: Snapshot, now: Snapshot, since: int | None = None) -> set[Path]:
    """Return the files that differ, removed ones included.

    `since`: the second snapshot looked for other files than the first, so a file that only it has differs if it was
    saved at this time or later (nanoseconds since the epoch).
    """
    return {path for path in before.files if path not in now.files} | {
        path
        for path, stamp in now.files.items()
        if (before.files[path] != stamp if path in before.files else _is_new(path, stamp, before, since))
    }


def _is_new(path: Path, stamp: Stamp, before: Snapshot, since: int | None) -> bool:
    if since is None:
        return True
    return path.parent in before.folders if stamp == _FOLDER else stamp[0] >= since


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file or folder; None: there is none."""
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def modified(path: Path) -> float | None:
    """Return when a file was last written, in seconds since the epoch; None: there is none."""
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _stamp(status: os.stat_result) -> Stamp:
    return _FOLDER if stat.S_ISDIR(status.st_mode) else (status.st_mtime_ns, status.st_size, status.st_ino)


class _Scan:
    def __init__(self, watch_rules: WatchRules, known: Container[Path]) -> None:
        self.files: dict[Path, Stamp] = {}
        self.folders: dict[Path, Identity] = {}
        self._known = known
        self._watch_rules = watch_rules

    def enter(self, folder: Path) -> Identity | None:
        """Note a folder; return its identity unless there is none or it was noted before."""
        if folder in self.folders:
            return None
        try:
            status = folder.stat()
        except OSError:
            return None
        if not stat.S_ISDIR(status.st_mode):
            return None
        self.folders[folder] = (status.st_dev, status.st_ino)
        return self.folders[folder]

    def walk(self, folder: Path, above: frozenset[Identity] = frozenset()) -> None:
        """Scan everything below a folder. Links to folders are followed, in a circle once."""
        identity = self.enter(folder)
        if identity is None or identity in above:
            return
        for entry in _entries(folder):
            path = Path(entry.path)
            if _is_folder(entry):
                if self._watch_rules.enters(path):
                    self.walk(path, above | {identity})
            else:
                self._note(path)

    def list(self, folder: Path) -> None:
        """Scan a folder, and its subfolders that may become services."""
        self.enter(folder)
        for entry in _entries(folder):
            path = Path(entry.path)
            self._note(path)
            if self._watch_rules.is_candidate(path) and _is_folder(entry):
                self.list(path)

    def _note(self, path: Path) -> None:
        if path in self._known or self._watch_rules.concerns(path):
            stamp = stamp_of(path)
            if stamp is not None:
                self.files[path] = stamp


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from entries
    except OSError:
        return  # gone meanwhile, or not ours to read


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:
        return False
