"""Creates or extends the `.gitignore` of an app (pure)."""

from __future__ import annotations

from pywatt.scaffold.file_changes import append_lines

IGNORED = (".env", ".venv/", "__pycache__/", "node_modules/", ".pywatt/*", "!.pywatt/schemas/")
"""Lines of a .gitignore. Of pywatt's own files in the app's folder, editors need the schemas."""


def ignore_text(text: str) -> str:
    """Return a .gitignore with the lines that it lacks."""
    there = {line.strip() for line in text.splitlines()}
    return append_lines(text, [line for line in IGNORED if line not in there])
