"""What a changed file means for the running app (pure, but for reading .gitignore files once)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from pywatt.config.discover import config_files
from pywatt.config.model import RuntimeConfig, ServiceConfig

SOURCES = tuple(
    f"*.{ending}"
    for ending in (
        *("py", "pyi", "html", "jinja", "jinja2", "j2", "sql", "toml", "yaml", "yml", "json", "json5", "proto"),
        *("graphql", "js", "mjs", "cjs", "ts", "tsx", "jsx", "go", "rb", "rs", "php", "java", "sh"),
    )
)
"""Files that count as code unless a service's `watch.allow` says otherwise."""
NEVER = (
    *("__pycache__/", ".git/", ".hg/", ".venv/", "venv/", "node_modules/", ".pywatt/"),
    *(".mypy_cache/", ".ruff_cache/", ".pytest_cache/", "*.pyc"),
)
"""What no service wants to hear of, whatever its patterns."""
ENV_FILE = ".env"


@dataclass(frozen=True, slots=True)
class Affected:
    """What has to be done for a set of changes."""

    services: frozenset[str] = frozenset()
    """Services whose code changed."""
    config: bool = False
    """Whether the configuration has to be read again."""

    def __bool__(self) -> bool:
        """Whether anything has to be done."""
        return self.config or bool(self.services)


class Interest:
    """Knows which files concern which service of one configuration."""

    def __init__(self, config: RuntimeConfig) -> None:
        self._root = config.root
        self._files = {config.file, *config.env_files, *(service.file for service in config.services)}
        services = [service for service in config.services if not service.internal]
        # The innermost folder wins where one service's folder lies in another's.
        self._services = sorted(services, key=lambda service: len(service.path.parts), reverse=True)
        self._allow = {service.id: _spec(service.watch.allow or SOURCES) for service in services}
        self._ignore = {service.id: _spec((*NEVER, *service.watch.ignore)) for service in services}
        self._gitignore = [
            (folder, _spec(_lines(folder / ".gitignore")))
            for folder in dict.fromkeys((config.root, *(service.path for service in services)))
        ]

    @property
    def folders(self) -> tuple[Path, ...]:
        """The services' folders, which are watched with all that is below them."""
        return tuple(dict.fromkeys(service.path for service in self._services if service.watch.enabled))

    @property
    def config_folders(self) -> tuple[Path, ...]:
        """Folders that hold config files, which are watched by themselves."""
        return tuple(dict.fromkeys([self._root, *(file.parent for file in self._files if file is not None)]))

    def affected(self, changed: Iterable[Path]) -> Affected:
        """Return what the changed files mean."""
        services: set[str] = set()
        config = False
        for path in changed:
            if self._is_config(path):
                config = True
            elif (service := self._owner(path)) is not None:
                services.add(service.id)
        return Affected(frozenset(services), config)

    def _is_config(self, path: Path) -> bool:
        if path in self._files:
            return True
        folders = {self._root, *(service.path for service in self._services)}
        return path.parent in folders and (path.name == ENV_FILE or path in config_files(path.parent))

    def _owner(self, path: Path) -> ServiceConfig | None:
        for service in self._services:
            if path.is_relative_to(service.path):
                return service if service.watch.enabled and self._counts(service, path) else None
        return None

    def _counts(self, service: ServiceConfig, path: Path) -> bool:
        inside = str(path.relative_to(service.path))
        if not self._allow[service.id].match_file(inside) or self._ignore[service.id].match_file(inside):
            return False
        return not any(
            path.is_relative_to(folder) and spec.match_file(str(path.relative_to(folder)))
            for folder, spec in self._gitignore
        )


def _spec(patterns: Iterable[str]) -> GitIgnoreSpec:
    return GitIgnoreSpec.from_lines(patterns)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return []  # no .gitignore, or none that git would understand
