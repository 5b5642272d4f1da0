"""The file of a profile: its form follows from its name."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path

from pywatt.errors import PywattError


class ProfileForm(Enum):
    """The form of the file; the value describes it."""

    FLAME_GRAPH = "a flame graph: open it in a browser"
    SPEEDSCOPE = "open it at https://www.speedscope.app"
    FOLDED = "a stack in each line, with its count"


SUFFIXES = {
    ".svg": ProfileForm.FLAME_GRAPH,
    ".json": ProfileForm.SPEEDSCOPE,
    ".txt": ProfileForm.FOLDED,
    ".folded": ProfileForm.FOLDED,
}


def form_of(file: Path) -> ProfileForm:
    """Return the form for a file of that name, which has to be writable. Raises PywattError."""
    form = SUFFIXES.get(file.suffix)
    if form is None:
        hint = "end it in .svg (flame graph), .json (speedscope), or .txt (folded stacks)"
        raise PywattError(f"{file}: the name of the file does not tell the form of the profile", hint=hint)
    folder = file.absolute().parent
    if not folder.is_dir():
        raise PywattError(f"{file}: there is no folder {folder}", hint="make it, or name another file with -o")
    if not os.access(file if file.exists() else folder, os.W_OK):
        raise PywattError(f"{file} cannot be written", hint="name another file with -o")
    return form
