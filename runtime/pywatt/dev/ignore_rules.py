"""Decides which files git ignores, by gitignore(5). Reads each ignore file once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pathspec import GitIgnoreSpec

GITIGNORE = ".gitignore"
_GIT = ".git"


class IgnoreRules:
    """The ignore files that apply below one folder.

    They are, weakest first: the user's `git/ignore`, `.git/info/exclude`, and the `.gitignore` of each folder from
    the top of the repository to the file. A later pattern wins. `!` takes a file back in, unless its folder is ignored.
    """

    def __init__(self, folder: Path, *, top: Path, environ: Mapping[str, str]) -> None:
        """Apply the rules of the repository around `folder`, or of `top` and below where there is none.

        Where the repository ignores `folder` itself, only the rules inside it apply: the user made it a service.
        """
        repository = _repository(folder)
        self._shared = tuple(_shared_rules(repository, environ)) if repository else ()
        self._top = repository or (top if folder.is_relative_to(top) else folder)
        self._specs: dict[Path, GitIgnoreSpec | None] = {}
        self._folders: dict[Path, bool] = {self._top: False}
        if self._folder_ignored(folder):
            self._top, self._folders = folder, {folder: False}

    def ignores(self, path: Path, *, folder: bool = False) -> bool:
        """Return whether git ignores the file, or the folder if `folder` is set, or a folder above it."""
        if not path.is_relative_to(self._top):
            return False
        return self._folder_ignored(path) if folder else self._folder_ignored(path.parent) or self._matches(path, "")

    def _folder_ignored(self, path: Path) -> bool:
        known = self._folders.get(path)
        if known is None:
            known = self._folders[path] = self._folder_ignored(path.parent) or self._matches(path, "/")
        return known

    def _matches(self, path: Path, ending: str) -> bool:
        """Return the decision of the strongest pattern that matches the path itself."""
        for folder in path.parents:
            said = _say(self._spec(folder), f"{path.relative_to(folder)}{ending}")
            if said is not None:
                return said
            if folder == self._top:
                break
        whole = f"{path.relative_to(self._top)}{ending}"
        verdicts = (_say(spec, whole) for spec in self._shared)
        return next((verdict for verdict in verdicts if verdict is not None), False)

    def _spec(self, folder: Path) -> GitIgnoreSpec | None:
        if folder not in self._specs:
            self._specs[folder] = _read(folder / GITIGNORE)
        return self._specs[folder]


def _say(spec: GitIgnoreSpec | None, path: str) -> bool | None:
    return None if spec is None else spec.check_file(path).include


def _repository(folder: Path) -> Path | None:
    return next((above for above in (folder, *folder.parents) if os.path.lexists(above / _GIT)), None)


def _shared_rules(repository: Path, environ: Mapping[str, str]) -> Iterator[GitIgnoreSpec]:
    """Yield the rules of no folder in particular, strongest first. gitignore(5), core.excludesFile by its default."""
    home = environ.get("XDG_CONFIG_HOME") or (f"{environ['HOME']}/.config" if environ.get("HOME") else None)
    for file in (repository / _GIT / "info" / "exclude", *([Path(home) / "git" / "ignore"] if home else [])):
        spec = _read(file)
        if spec is not None:
            yield spec


def _read(file: Path) -> GitIgnoreSpec | None:
    try:
        return patterns(file.read_text(encoding="utf-8").splitlines())
    except (OSError, ValueError):
        return None  # there is none, or none that git would understand


def patterns(lines: Iterable[str]) -> GitIgnoreSpec:
    """Return the patterns of a .gitignore. Raises ValueError."""
    return GitIgnoreSpec.from_lines(lines)
