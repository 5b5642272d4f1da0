"""Runs calls in threads next to a test."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from harness.app import PATIENCE

P = ParamSpec("P")
T = TypeVar("T")


@contextmanager
def in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Iterator[Callable[[], T]]:
    """Call the function in a thread; the yielded function waits for its end and returns its result."""
    returned: list[T] = []
    thread = threading.Thread(target=lambda: returned.append(function(*args, **kwargs)), daemon=True)
    thread.start()

    def result() -> T:
        thread.join(PATIENCE)
        assert returned, "the call has not come to an end"
        return returned[0]

    yield result
