"""Keeps Python from caching the bytecode of a file that was saved just now.

The cache knows a file by its size and by the second in which it was saved (see `importlib`): if it was saved
again within that second, and is as long as before, the older code would be run for ever.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from typing import Any

SETTLED = 2.0
"""Seconds after which a file that is saved again has another time for sure, even where times are rounded to two."""


def cache_settled_files_only(clock: Callable[[], float] = time.time) -> None:
    """From now on, cache the bytecode of no file that was saved within the last seconds."""
    loader: Any = SourceFileLoader
    cache = loader._cache_bytecode

    def cache_when_settled(self: SourceFileLoader, source: str, bytecode: str, data: bytes) -> None:
        with suppress(OSError):
            if clock() - os.stat(source).st_mtime > SETTLED:
                cache(self, source, bytecode, data)

    loader._cache_bytecode = cache_when_settled
