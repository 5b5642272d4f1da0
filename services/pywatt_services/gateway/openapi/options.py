"""The options of the composed OpenAPI document, and which services are part of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywatt.errors import Problem

DEFAULT_PREFIX = "/documentation"
DEFAULT_URL = "/openapi.json"
REMOTE_REFRESH = 60.0
"""Seconds between two looks at the document of another host, where `refreshTimeout` does not say it."""
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSource:
    """The OpenAPI document of one service. Original: `openapi` of an item of `gateway.applications`."""

    service: str
    url: str = ""
    """A whole URL; empty: `file` has the document."""
    file: Path | None = None
    local: str | None = None
    """Id of the app's service that serves it; None: another host, or a file."""
    prefix: str
    """The prefix of its paths at the gateway."""
    rewrite_prefix: str = ""
    """The prefix of its own paths that `prefix` replaces."""
    hostname: str = ""
    """The only host at which it is served; empty: any."""
    ignored: frozenset[tuple[str, str]] = frozenset()
    """Paths that are left out, each with a method in lower case, or `*` for all."""
    only_documented: bool = False
    """True when requests are passed on for the paths of the document only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentationOptions:
    """The composed document, and the page that shows it. Original: `gateway.openapi`."""

    sources: tuple[ApiSource, ...]
    shown: bool = True
    """False: documents are only used for routes."""
    prefix: str = DEFAULT_PREFIX
    info: Mapping[str, Any] = field(default_factory=dict)
    servers: tuple[Mapping[str, Any], ...] = ()
    refresh: float | None = None
    """Seconds between two looks at each document; 0: only when a service has new workers; None: other hosts' only."""


def documentation_options(block: Mapping[str, Any], sources: tuple[ApiSource, ...]) -> DocumentationOptions | None:
    """Return the options in a valid block `gateway`; None: there is nothing to compose."""
    value = block.get("openapi", bool(sources))
    if value is False and not sources:
        return None
    given: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
    info = {"title": "API", "version": "1.0.0", **given.get("info", {})}
    info |= {key: given[key] for key in ("title", "description", "version") if key in given}
    refresh = block.get("refreshTimeout")
    prefix = "/".join(segment for segment in given.get("prefix", DEFAULT_PREFIX).split("/") if segment)
    return DocumentationOptions(
        sources=sources,
        shown=value is not False,
        prefix=f"/{prefix}",
        info=info,
        servers=tuple(given.get("servers", ())),
        refresh=None if refresh is None else refresh / 1000,
    )


def read_ignored(config: str | None, folder: Path, where: str, problems: list[Problem]) -> frozenset[tuple[str, str]]:
    """Read the file that names what is left out of a service's document. Original: `openapi.config`."""
    if config is None:
        return frozenset()
    path = folder / config
    try:
        document = json.loads(path.read_bytes())
        paths = document["paths"] if isinstance(document, dict) and "paths" in document else {}
        return frozenset(_ignored(paths, f"{where}.config", path, problems))
    except OSError as error:
        hint = "correct the path, which begins at the folder of the gateway's file"
        problems.append(Problem(message=f"{path}: {error.strerror}", key=f"{where}.config", hint=hint))
    except (ValueError, RecursionError, AttributeError) as error:
        hint = 'write it as {"paths": {"/internal": {"ignore": true}, "/items": {"post": {"ignore": true}}}}'
        problems.append(Problem(message=f"{path} is not valid: {error}", key=f"{where}.config", hint=hint))
    return frozenset()


def _ignored(paths: Any, where: str, path: Path, problems: list[Problem]) -> Iterator[tuple[str, str]]:
    for name, item in paths.items():
        for key, value in item.items():
            if key == "ignore":
                if value is True:
                    yield name, "*"
            elif key == "alias":
                hint = "give the service an entry of its own with proxy.prefix and proxy.rewritePrefix"
                message = f"{path}: alias of {name} is not supported"
                problems.append(Problem(message=message, key=where, hint=hint))
            elif key in METHODS and value.get("ignore") is True:
                yield name, key
            elif key in METHODS and value.get("responses"):
                hint = "rename the fields in the service, or in a service of yours in front of it"
                message = f"{path}: renaming fields of responses ({key} {name}) is not supported"
                problems.append(Problem(message=message, key=where, hint=hint))
