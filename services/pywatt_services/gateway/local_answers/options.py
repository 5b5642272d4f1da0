"""The options of routes that the gateway itself answers, and their reader."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pywatt.errors import Problem

PLACES = ("request.rest", "request.path", "request.query", "request.host")
"""Names of the placeholders in `redirect.to`."""
HOST = "{request.host}"
PLACE = re.compile(r"\{([^{}]*)\}")
_TARGET = re.compile(
    r"(?:https?://(?:[A-Za-z0-9.:\[\]_-]+|\{request\.host\}(?::[0-9]+)?))?(?P<rest>(?:/|\{request\.(?:rest|path)\}).*)?",
    re.DOTALL,
)
_CHARACTERS = re.compile(r"[!-~]*")
DEFAULT_STATUS = 302
_OF_UPSTREAMS = (
    "upstream", "upstreams", "sticky", "timeouts", "retries", "breaker", "healthCheck", "mirror", "rewritePrefix",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class RedirectOptions:
    """A redirect of all requests of a route."""

    to: str
    status: int = DEFAULT_STATUS


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticOptions:
    """The folder whose files a route serves."""

    root: Path
    index: tuple[str, ...] = ("index.html",)
    """Files that are served for a folder, the first one that is there."""
    fallback: str = ""
    """File that browsers get in place of a missing page, relative to the root; empty: none."""
    dotfiles: bool = False
    """Serves files and folders whose names begin with a dot."""
    precompressed: bool = True
    """Serves `<file>.br`, `.zst` and `.gz` to clients that accept them."""
    cache_control: str = ""


LocalAnswer = RedirectOptions | StaticOptions


def read_local(proxy: Mapping[str, Any], folder: Path) -> LocalAnswer | None:
    """Return what a route answers itself, None for one that passes requests on. `folder`: that of the gateway."""
    redirect: str | Mapping[str, Any] | None = proxy.get("redirect")
    if redirect is not None:
        given: Mapping[str, Any] = {"to": redirect} if isinstance(redirect, str) else redirect
        return RedirectOptions(to=given["to"], status=given.get("status", DEFAULT_STATUS))
    static: str | Mapping[str, Any] | None = proxy.get("static")
    if static is None:
        return None
    entry: Mapping[str, Any] = {"root": static} if isinstance(static, str) else static
    defaults = StaticOptions(root=folder)
    index: str | list[str] = entry.get("index", list(defaults.index))
    return StaticOptions(
        root=folder / entry["root"],
        index=(index,) if isinstance(index, str) else tuple(index),
        fallback=entry.get("fallback", defaults.fallback),
        dotfiles=entry.get("dotfiles", defaults.dotfiles),
        precompressed=entry.get("precompressed", defaults.precompressed),
        cache_control=entry.get("cacheControl", defaults.cache_control),
    )


def check_local(options: LocalAnswer, proxy: Mapping[str, Any], where: str) -> Iterator[Problem]:
    """Yield what is wrong with a route that the gateway answers itself."""
    kind = "redirect" if isinstance(options, RedirectOptions) else "static"
    for key in ("static" if kind == "redirect" else "redirect", *_OF_UPSTREAMS):
        if proxy.get(key, False) is not False:
            yield Problem(
                message=f'the route has both "{kind}" and "{key}"',
                key=f"{where}.{key}",
                hint="the gateway answers its requests itself, and passes none on: remove one of the two",
            )
    if isinstance(options, StaticOptions):
        for name in (*options.index, options.fallback):
            if name.startswith("/") or ".." in name.split("/"):
                yield Problem(
                    message=f"{name!r} is not a file in the folder", key=f"{where}.static", hint='such as "index.html"'
                )
        return
    for place in PLACE.findall(options.to):
        if place not in PLACES:
            known = ", ".join(f"{{{each}}}" for each in PLACES)
            yield Problem(message=f"{{{place}}} is not known", key=f"{where}.redirect", hint=f"known: {known}")
    target = _TARGET.fullmatch(options.to)
    if not options.to or target is None or HOST in (target["rest"] or "") or _CHARACTERS.fullmatch(options.to) is None:
        yield Problem(
            message=f"{options.to!r} is no address to redirect to",
            key=f"{where}.redirect",
            hint="such as /new{request.rest}{request.query} or https://host{request.rest}; "
            "only {request.host} may stand for a host",
        )
