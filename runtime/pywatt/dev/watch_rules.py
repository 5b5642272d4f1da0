"""Maps a changed file to the services to restart, and decides the folders that can hold such files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pywatt.config.discovery import FILE_NAMES
from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.config.services.entries import is_autoloaded
from pywatt.dev.ignore_rules import GITIGNORE, IgnoreRules, patterns

SOURCES = frozenset(
    f".{ending}"
    for ending in (
        *("py", "pyi", "html", "jinja", "jinja2", "j2", "sql", "toml", "yaml", "yml", "json", "json5", "proto"),
        *("graphql", "js", "mjs", "cjs", "ts", "tsx", "jsx", "go", "rb", "rs", "php", "java", "sh"),
    )
)
"""Suffixes of the files that count as code unless a service's `watch.allow` says otherwise."""
NEVER = (
    *("__pycache__/", ".git/", ".hg/", ".venv/", "venv/", "node_modules/", ".pywatt/"),
    *(".mypy_cache/", ".ruff_cache/", ".pytest_cache/", "*.pyc"),
)
"""Files and folders that never count, whatever a service's patterns say."""
ENV_FILE = ".env"


@dataclass(frozen=True, slots=True)
class Affected:
    """The parts of the app that a set of changes concerns."""

    services: frozenset[str] = frozenset()
    """Services whose code changed."""
    config: bool = False
    """True if the configuration has to be read again."""

    def __bool__(self) -> bool:
        """Return whether anything has to be done."""
        return self.config or bool(self.services)


class WatchRules:
    """The rules of one app: which files count, for which service, and which count as configuration."""

    def __init__(self, config: RuntimeConfig, environ: Mapping[str, str]) -> None:
        self._root = config.root
        self._autoload = config.autoload
        named = {config.file, *config.env_files, *(service.file for service in config.services)}
        self._files = {file for file in named if file is not None}
        services = [service for service in config.services if not service.internal]
        # The innermost folder wins where one service's folder lies in another's.
        self._services = sorted(services, key=lambda service: len(service.path.parts), reverse=True)
        self._homes = {self._root, *(service.path for service in services)}
        self._allow = {service.id: patterns(service.watch.allow) for service in services}
        self._ignore = {service.id: patterns((*NEVER, *service.watch.ignore)) for service in services}
        self._git = {service.id: IgnoreRules(service.path, top=config.root, environ=environ) for service in services}
        self._above = {above for folder in (*self.folders, *self.config_folders) for above in (folder, *folder.parents)}

    @property
    def folders(self) -> tuple[Path, ...]:
        """The services' folders, followed with the folders below them."""
        return tuple(dict.fromkeys(service.path for service in self._services if service.watch.enabled))

    @property
    def config_folders(self) -> tuple[Path, ...]:
        """Folders of config files, followed without the folders below them."""
        autoload = () if self._autoload is None else (self._autoload.path,)
        return tuple(dict.fromkeys([self._root, *autoload, *self._homes, *(file.parent for file in self._files)]))

    def is_candidate(self, folder: Path) -> bool:
        """Return whether a folder of `autoload.path` is no service yet, and becomes one once it holds one."""
        return folder not in self._homes and self._is_autoloaded(folder)

    def affected(self, changed: Iterable[Path]) -> Affected:
        """Return the effect of the changed files."""
        services: set[str] = set()
        config = False
        for path in changed:
            if self._is_config(path):
                config = True
            elif (service := self._owner(path)) is not None:
                services.add(service.id)
        return Affected(frozenset(services), config)

    def concerns(self, path: Path) -> bool:
        """Return whether a change of the file means anything."""
        return bool(self.affected([path]))

    def holds(self, folder: Path) -> bool:
        """Return whether a folder can hold files that mean anything, however deep."""
        return folder in self._above or self.is_candidate(folder) or self.enters(folder)

    def enters(self, folder: Path) -> bool:
        """Return whether a folder below a service's folder can hold files that mean anything."""
        for service in self._services:
            if folder.is_relative_to(service.path):
                if folder == service.path or not service.watch.enabled:
                    return service.watch.enabled
                inside = f"{folder.relative_to(service.path)}/"
                return not (
                    self._ignore[service.id].match_file(inside) or self._git[service.id].ignores(folder, folder=True)
                )
        return False

    def _is_config(self, path: Path) -> bool:
        if path in self._files:
            return True
        if path.parent in self._homes and (path.name == ENV_FILE or path.name in FILE_NAMES):
            return True
        # A folder that comes or goes is a service that does, and so is what turns a folder into a service.
        return self._is_autoloaded(path) or (self.is_candidate(path.parent) and path.suffix in SOURCES)

    def _is_autoloaded(self, folder: Path) -> bool:
        return (
            self._autoload is not None
            and folder.parent == self._autoload.path
            and is_autoloaded(folder.name, self._autoload.exclude)
        )

    def _owner(self, path: Path) -> ServiceConfig | None:
        for service in self._services:
            if path.is_relative_to(service.path):
                return service if service.watch.enabled and self._counts(service, path) else None
        return None

    def _counts(self, service: ServiceConfig, path: Path) -> bool:
        inside = str(path.relative_to(service.path))
        if service.watch.allow:
            if not self._allow[service.id].match_file(inside):
                return False
        elif path.suffix not in SOURCES:
            return False
        if self._ignore[service.id].match_file(inside):
            return False
        return not self._git[service.id].ignores(path)


def changes_rules(path: Path) -> bool:
    """Return whether a change of the file changes which files count."""
    return path.name == GITIGNORE
