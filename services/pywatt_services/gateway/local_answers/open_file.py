"""Opens a file below a folder, wherever symlinks lead, and reads it. Blocking: for threads."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pywatt_services.gateway.local_answers.conditions import Selected
from pywatt_services.gateway.local_answers.content_types import CODINGS, content_type
from pywatt_services.gateway.local_answers.options import StaticOptions

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Without waiting: a pipe would block until somebody writes to it."""
_OF_THE_MACHINE = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that say nothing about a file; after any other one, it is not there for the client."""


@dataclass(slots=True)
class OpenFile:
    """A file that is being served."""

    descriptor: int
    selected: Selected
    content_type: bytes
    coding: str = ""
    varies: bool = False
    """True when other clients may get another coding."""

    def read(self, start: int, length: int) -> bytes:
        """Return bytes of the file."""
        return os.pread(self.descriptor, length, start)

    def close(self) -> None:
        """Close it."""
        os.close(self.descriptor)


@dataclass(slots=True)
class Found:
    """The file, or the folder, at a path."""

    file: OpenFile | None = None
    is_folder: bool = False
    """True for a folder that was named without a slash at the end."""
    beginning: bytes = field(default=b"", repr=False)
    """The first bytes of the file."""


def find(
    options: StaticOptions, names: Sequence[str], *, folder: bool, page: bool, codings: Sequence[str], read: int
) -> Found:
    """Open the file at a path. Raises OSError for what cannot be read, but not for what is not there.

    `folder`: the path ends with a slash. `page`: a browser asks for a page, and gets the fallback. `codings`: those
    that the client accepts. `read`: bytes to read at once.
    """
    root = os.path.realpath(options.root)
    path = os.path.join(root, *names)
    found = Found()
    try:
        kind = os.stat(path).st_mode
    except OSError:
        kind = 0
    if stat.S_ISDIR(kind):
        if not folder and names:
            return Found(is_folder=_inside(os.path.realpath(path), root, options))
        for index in options.index:
            found.file = _open(options, root, os.path.join(path, index), codings)
            if found.file is not None:
                break
    elif stat.S_ISREG(kind) and not folder:
        found.file = _open(options, root, path, codings)
    if found.file is None and page and options.fallback:
        found.file = _open(options, root, os.path.join(root, options.fallback), codings)
    if found.file is not None and read:
        try:
            found.beginning = found.file.read(0, read)
        except OSError:
            found.file.close()
            raise
    return found


def _open(options: StaticOptions, root: str, path: str, codings: Sequence[str]) -> OpenFile | None:
    """Open a file, or its compressed sibling."""
    kind = content_type(path)
    if options.precompressed:
        for coding in codings:
            file = _open_one(options, root, path + CODINGS[coding], kind, coding)
            if file is not None:
                return file
    file = _open_one(options, root, path, kind, "")
    if file is not None and options.precompressed:
        others = (suffix for coding, suffix in CODINGS.items() if coding not in codings)
        file.varies = any(os.path.exists(path + suffix) for suffix in others)
    return file


def _open_one(options: StaticOptions, root: str, path: str, kind: bytes, coding: str) -> OpenFile | None:
    try:
        descriptor = os.open(path, _FLAGS)
    except OSError as error:
        if error.errno in _OF_THE_MACHINE:
            raise
        return None
    try:
        status = os.fstat(descriptor)
        # Asked of the open file, so that nobody can put a link in its place in between.
        if stat.S_ISREG(status.st_mode) and _inside(os.readlink(f"/proc/self/fd/{descriptor}"), root, options):
            etag = b'"%x-%x%b"' % (status.st_mtime_ns, status.st_size, f"-{coding}".encode() if coding else b"")
            selected = Selected(etag, int(status.st_mtime), status.st_size)
            return OpenFile(descriptor, selected, kind, coding, varies=bool(coding))
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


def _inside(path: str, root: str, options: StaticOptions) -> bool:
    """Tell whether a resolved path lies in the folder, and may be served."""
    if path != root and not path.startswith(root.rstrip("/") + "/"):
        return False
    rest = Path(path).relative_to(root).parts
    return options.dotfiles or not any(name.startswith(".") for name in rest)
