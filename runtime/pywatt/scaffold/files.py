"""Files that are to be written: which of them are, and all of them or none."""

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
    """What happens when a file is there already."""

    NEW = "new"
    """It is the user's: kept, unless they say otherwise."""
    CHANGED = "changed"
    """The content is that of the file, with something added."""
    OURS = "ours"
    """Nobody writes it but pywatt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFile:
    """A file as it is to be."""

    path: Path
    """Absolute."""
    content: str
    mode: Mode = Mode.NEW


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChanges:
    """What will be done."""

    created: tuple[PlannedFile, ...]
    changed: tuple[PlannedFile, ...]
    kept: tuple[PlannedFile, ...]
    """Files that are there with another content, and stay as they are."""


def compare_files(files: Iterable[PlannedFile], overwrite: Callable[[Path], bool]) -> FileChanges:
    """Compare with what is there; `overwrite` decides about the user's own files. Raises CreateRefused."""
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
            raise _refusal(file.path, error) from error
    return FileChanges(created=tuple(created), changed=tuple(changed), kept=tuple(kept))


def write(files: Sequence[PlannedFile]) -> None:
    """Write the files in this order; when one cannot be written, undo the others. Raises CreateRefused."""
    with ExitStack() as undo:
        for file in files:
            try:
                _make_folder(file.path.parent, undo)
                _write(file, undo)
            except OSError as error:
                raise _refusal(file.path, error) from error
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
    """Raise CreateRefused when the folder is there, or above it something is, that is none."""
    for each in (folder, *folder.parents):
        if os.path.lexists(each):
            if not each.is_dir():
                raise CreateRefused(f"{each} is a file, but a folder is to be made there", hint="move it away")
            return


def _refusal(path: Path, error: OSError) -> CreateRefused:
    return CreateRefused(f"cannot write {path}: {error.strerror}", hint="nothing was written")
