"""Replaces methods of classes, and puts them back."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

Make = Callable[[Callable[..., Any]], Callable[..., Any]]
"""Takes a method and returns its replacement."""


class Patches:
    """The methods that are replaced."""

    def __init__(self) -> None:
        self._active = True
        self._replaced: list[tuple[type, str, Any, Any]] = []

    def replace(self, owner: type, name: str, make: Make) -> None:
        """Replace a method that the class itself defines."""
        original = owner.__dict__[name]
        observed = make(original)

        # Another instrumentation may keep a reference to the function beyond `undo`.
        def call(*args: Any, **options: Any) -> Any:
            return observed(*args, **options) if self._active else original(*args, **options)

        async def call_async(*args: Any, **options: Any) -> Any:
            return await call(*args, **options)

        # A framework that is given a method asks whether it is a coroutine function.
        replacement = wraps(original)(call_async if inspect.iscoroutinefunction(original) else call)
        setattr(owner, name, replacement)
        self._replaced.append((owner, name, original, replacement))

    def undo(self) -> None:
        """Put all methods back, but those that another library has replaced meanwhile: these only pass calls on."""
        self._active = False
        for owner, name, original, replacement in reversed(self._replaced):
            if owner.__dict__.get(name) is replacement:
                setattr(owner, name, original)
        self._replaced.clear()
