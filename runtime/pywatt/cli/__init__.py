"""The `pywatt` command."""

from __future__ import annotations

import io
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    from pywatt.cli.commands import run

    _write_anything()
    sys.exit(run(sys.argv[1:]))


def _write_anything() -> None:
    """Have characters that the terminal's encoding lacks, and halves of characters, printed as escapes: never raise."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
