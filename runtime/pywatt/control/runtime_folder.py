"""The runtime folder of an app: its sockets and its metadata.

Its name is random, since the apps of several containers that share /tmp may have one pid. A lock (flock(2)) on the
folder says that its app lives, whichever container that is in; cleaners such as systemd-tmpfiles respect it too.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pywatt.errors import StartError
from pywatt.worker.process.descendant_mark import end_marked, is_of_app, own_mark

RUNTIME_DIR = "PYWATT_RUNTIME_DIR"
"""Variable that names another folder for the sockets of running apps, where /tmp cannot be used."""
LONGEST_RUNTIME_DIR = 80
"""Bytes: with an app's and a worker's name behind it, a socket's path must stay below 108."""
MARK = "mark"
"""File with the number that all processes of the app have: see `pywatt.worker.process.descendant_mark`."""
NAME_BYTES = 4
"""Random bytes in a name, each of which is two characters."""
_NAME = re.compile(rf"[0-9a-f]{{{2 * NAME_BYTES}}}")
PRIVATE = 0o700
_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def runtimes_folder() -> Path:
    """Return the folder that holds one folder per running app of this user."""
    # A fixed short place: a unix socket's path must stay below 108 bytes, and TMPDIR can be long.
    default = f"/tmp/pywatt-{os.getuid()}"  # noqa: S108 - whoever uses it checks that it is ours alone
    return Path(os.environ.get(RUNTIME_DIR) or default).absolute()


def belongs_to_us(folder: Path) -> bool:
    """Return whether a folder is a real one that only this user can enter."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077


class RuntimeFolder:
    """The folder of this app. `runtime_folder` makes it."""

    def __init__(self, base: Path, app_mark: int = 0) -> None:
        """Make it below `base`, for an app whose processes have that mark. Raises StartError and OSError."""
        self._base = base
        self._app_mark = app_mark
        self._lock = -1
        with _locked(base):
            _remove_left_over(base)
            while True:
                self.path = base / secrets.token_hex(NAME_BYTES)
                with suppress(FileExistsError):
                    self.path.mkdir(PRIVATE)
                    break
            self._take_lock()
            self._write_mark()

    def ensure(self) -> bool:
        """Make the folder again if it was removed; return whether it was. Raises StartError, OSError."""
        if self._is_there():
            return False
        with _locked(self._base):
            self.path.mkdir(PRIVATE, exist_ok=True)
            self._take_lock()
            self._write_mark()
        return True

    def stamp(self) -> tuple[int, int] | None:
        """Return a stamp that changes with every added or removed file; None: the folder is gone."""
        try:
            status = self.path.lstat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns

    def remove(self) -> None:
        """Remove it, and the folder around it when that is empty."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError, StartError), _locked(self._base):
            self._base.rmdir()
        if self._lock >= 0:
            os.close(self._lock)

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._lock), self.path.lstat())
        except OSError:
            return False

    def _take_lock(self) -> None:
        """Lock the folder. Where the file system knows no locks, it is never taken for left over either."""
        lock = os.open(self.path, _FLAGS)
        with suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = lock

    def _write_mark(self) -> None:
        """Write the mark of the app's processes, by which the next app to start finds those of a killed one."""
        with suppress(OSError):  # on a full disk the app runs without
            (self.path / MARK).write_text(str(self._app_mark))


@contextmanager
def runtime_folder(app_mark: int = 0) -> Iterator[RuntimeFolder]:
    """Make this app's folder, open to its own user only, and remove it at the end.

    `app_mark`: of the app's processes. Folders of apps that were killed are removed on the way, and what is left of
    their processes is killed. Raises StartError.
    """
    base = runtimes_folder()
    if len(os.fsencode(base)) > LONGEST_RUNTIME_DIR:
        raise StartError(
            f"{base} is too long for the names of sockets in it",
            hint=f"set {RUNTIME_DIR} to a folder of at most {LONGEST_RUNTIME_DIR} bytes",
        )
    try:
        folder = RuntimeFolder(base, app_mark)
    except OSError as error:
        raise StartError(
            f"cannot make the folder for the app's sockets: {base}: {error.strerror}",
            hint=f"set {RUNTIME_DIR} to a folder that this user may write to, with a short path",
        ) from error
    try:
        yield folder
    finally:
        folder.remove()


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Hold the lock of the folder around all apps, which is made if need be. Raises StartError, OSError."""
    while True:
        base.mkdir(PRIVATE, parents=True, exist_ok=True)
        if not belongs_to_us(base):
            raise StartError(f"{base} belongs to somebody else or is open to others", hint=f"remove {base}")
        lock = os.open(base, _FLAGS)
        try:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            try:
                removed = not os.path.samestat(os.fstat(lock), base.lstat())
            except FileNotFoundError:
                removed = True
            if not removed:  # else by an app that has ended meanwhile
                yield
                return
        finally:
            os.close(lock)


def _remove_left_over(base: Path) -> None:
    """Remove the folders whose apps do not live any more, in whichever container they ran, and end their processes.

    A supervisor and a forkserver that are killed in the same moment leave what their services have started.
    """
    for folder in base.iterdir():
        if not _is_of_an_app(folder):
            continue  # the variable may name a folder that holds other things too
        with suppress(OSError):
            lock = os.open(folder, _FLAGS)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end_left_over(folder)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _is_of_an_app(folder: Path) -> bool:
    return _NAME.fullmatch(folder.name) is not None and (folder / MARK).is_file()


def _end_left_over(folder: Path) -> None:
    """End the processes of the app that had the folder, unless this one is among them: a shell of it may start anew."""
    with suppress(OSError, ValueError):
        app_mark = int((folder / MARK).read_text())
        if app_mark and not is_of_app(app_mark)(own_mark()):
            end_marked(is_of_app(app_mark))
