"""The `pywatt` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    from pywatt.cli.commands import run

    sys.exit(run(sys.argv[1:]))
