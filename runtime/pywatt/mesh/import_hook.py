"""Patches a module at once if it is loaded, else as soon as it is imported."""

from __future__ import annotations

import sys
from importlib.util import find_spec

TYPE_CHECKING = False  # as of `typing`, which is not imported: this is on the way to every child's first line
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Adapt = Callable[[ModuleType], object]


class _Finder:
    """Finds modules with the other finders, and adapts them once they are loaded."""

    def __init__(self) -> None:
        self.waiting: dict[str, Adapt] = {}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        adapt = self.waiting.pop(name, None)
        if adapt is None:
            return None
        spec = find_spec(name)  # this finder knows nothing of it any more
        if spec is None or spec.loader is None:
            return None
        load = spec.loader.exec_module

        def load_and_adapt(module: ModuleType) -> None:
            load(module)
            adapt(module)

        spec.loader.exec_module = load_and_adapt  # type: ignore[method-assign]
        return spec


_finder = _Finder()


def on_import(name: str, adapt: Adapt) -> None:
    """Call `adapt` with the module as soon as it is loaded, after those that were given before."""
    module = sys.modules.get(name)
    if module is not None:
        adapt(module)
        return
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    earlier = _finder.waiting.get(name)
    if earlier is None:
        _finder.waiting[name] = adapt
        return

    def adapt_again(module: ModuleType) -> None:
        earlier(module)
        adapt(module)

    _finder.waiting[name] = adapt_again
