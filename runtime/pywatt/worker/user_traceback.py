"""Tracebacks of failed workers: the user's frames without those of pywatt and the import machinery."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

import pywatt

_OWN_FOLDER = str(Path(pywatt.__file__).parent)
_MACHINERY = ("/pywatt_services/", "<frozen importlib", "/importlib/__init__.py", "/asyncio/", "/uvicorn/", "/anyio/")


def root_cause(error: BaseException) -> BaseException:
    """Return the error inside the groups that task groups have put around it."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def is_machinery(filename: str) -> bool:
    """Return whether a file is pywatt's or of what lies between it and the user's code."""
    return filename.startswith(_OWN_FOLDER) or any(part in filename for part in _MACHINERY)


def trim(error: BaseException) -> BaseException:
    """Return the error with a traceback that starts at the first frame of user code, if there is one."""
    frames: TracebackType | None = error.__traceback__
    while frames is not None:
        if not is_machinery(frames.tb_frame.f_code.co_filename):
            return error.with_traceback(frames)
        frames = frames.tb_next
    # A SyntaxError names the line of the user's file itself.
    return error.with_traceback(None) if isinstance(error, SyntaxError) else error
