"""Repairs the three standard descriptors if the caller has closed or broken them."""

from __future__ import annotations

import errno
import io
import os
import sys
from contextlib import suppress

from pywatt.errors import EXIT_FAILURE

_HIGHEST = 2
_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG)
"""Errors of a write to standard output that are reported without a traceback."""


def open_standard_streams() -> None:
    """Open /dev/null for each closed standard descriptor (`pywatt start 1>&-`), as daemons do.

    Else the next file or socket that is opened gets its number, and what is printed goes there. Characters that the
    encoding of an output lacks, and halves of characters, are printed as escapes from then on.
    """
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= _HIGHEST:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - it lives as long as the process
    if sys.stdout is None:
        sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115
    if sys.stderr is None:
        sys.stderr = open(2, "w", closefd=False)  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def output_failed(error: OSError) -> int:
    """Report that the output of a command cannot be written, and return its exit status. Re-raises any other error.

    A reader that has seen enough (`pywatt logs | head`) is told nothing.
    """
    if not isinstance(error, BrokenPipeError):
        if error.errno not in _OUTPUT_ERRORS or error.filename is not None:
            raise error
        with suppress(OSError):
            print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
    # What is left in the buffers would fail again at the end of the interpreter.
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(null, stream.fileno())
    os.close(null)
    return EXIT_FAILURE
