"""The `pywatt` command."""

from __future__ import annotations

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and exit with its status."""
    from pywatt.cli.standard_streams import open_standard_streams, output_failed

    open_standard_streams()
    from pywatt.cli.commands import run

    try:
        status = run(sys.argv[1:])
        sys.stdout.flush()
    except OSError as error:
        status = output_failed(error)
    sys.exit(status)
