"""Compares planned files with the existing ones, and writes all of them or none."""

from __future__ import annotations

import enum
import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pywatt.errors import CreateRefused


class Mode(enum.Enum):
    """Treatment of a file that exists already."""

    NEW = "new"
    """A file of the user: kept unless the user wants it overwritten."""
    CHANGED = "changed"
    """The existing content with additions."""
    OURS = "ours"
    """A file that only pywatt writes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file to write."""

    path: Path
    """Absolute."""
    content: str
    mode: Mode = Mode.NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanges:
    """The files to create, to change and to keep."""

    created: tuple[PlannedFile, ...]
    changed: tuple[PlannedFile, ...]
    kept: tuple[PlannedFile, ...]
    """Existing files with other content that stay as they are."""


def compare_files(files: Iterable[PlannedFile], overwrite: Callable[[Path], bool]) -> FileChanges:
    """Compare with the existing files; `overwrite` decides about the user's own files. Raises CreateRefused."""
    created: list[PlannedFile] = []
    changed: list[PlannedFile] = []
    kept: list[PlannedFile] = []
    for file in files:
        try:
            if not os.path.lexists(file.path):
                _check_folder(file.path.parent)
                created.append(file)
            elif file.path.is_dir():
                raise CreateRefused(f"{file.path} is a folder, but a file is to be written there", hint="move it away")
            elif file.path.read_bytes() == file.content.encode():
                continue
            else:
                wanted = file.mode is not Mode.NEW or overwrite(file.path)
                (changed if wanted else kept).append(file)
        except OSError as error:
            raise _refused(file.path, error) from error
    return FileChanges(created=tuple(created), changed=tuple(changed), kept=tuple(kept))


def append_lines(text: str, added: Iterable[str]) -> str:
    """Return a file's text with further lines."""
    before = text if not text or text.endswith("\n") else f"{text}\n"
    return before + "".join(f"{line}\n" for line in added)


def write(files: Sequence[PlannedFile]) -> None:
    """Write the files in this order; when one cannot be written, undo the others. Raises CreateRefused."""
    with ExitStack() as undo:
        for file in files:
            try:
                _make_folder(file.path.parent, undo)
                _write(file, undo)
            except OSError as error:
                raise _refused(file.path, error) from error
        undo.pop_all()


def _write(file: PlannedFile, undo: ExitStack) -> None:
    try:
        before = file.path.read_bytes()
    except FileNotFoundError:
        undo.callback(file.path.unlink, missing_ok=True)
    else:
        undo.callback(file.path.write_bytes, before)
    file.path.write_bytes(file.content.encode())


def _make_folder(folder: Path, undo: ExitStack) -> None:
    missing = [each for each in (folder, *folder.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir()
        undo.callback(partial(_remove_folder, each))


def _remove_folder(folder: Path) -> None:
    # Something else may have been put there meanwhile: then it stays.
    if not any(folder.iterdir()):
        folder.rmdir()


def _check_folder(folder: Path) -> None:
    """Raise CreateRefused if the path, or one above it, is a file."""
    for each in (folder, *folder.parents):
        if os.path.lexists(each):
            if not each.is_dir():
                raise CreateRefused(f"{each} is a file, but a folder is to be made there", hint="move it away")
            return


def _refused(path: Path, error: OSError) -> CreateRefused:
    return CreateRefused(f"cannot write {path}: {error.strerror}", hint="nothing was written")
