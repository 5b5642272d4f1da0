"""A request that `pywatt routes` is asked about, and the gateway's answer to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pywatt.http.request_error import RequestError
from pywatt.http.target import is_authority, split_target
from pywatt_services.gateway.features.upstreams.route_upstreams import matches
from pywatt_services.gateway.routes import has_prefix
from pywatt_services.gateway_cli.explanation import Verdict, explain
from pywatt_services.gateway_cli.gateways import Gateway

WITHOUT_HOST = b"localhost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A request, as the command line has it."""

    method: str
    authority: bytes
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...] = ()
    shown: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The course of a request through a gateway."""

    verdicts: tuple[Verdict, ...] = ()
    taken: int | None = None
    """The place of the route that takes it, from 0."""
    upstream_target: str = ""
    """Path and query under which the service gets it."""
    origins: tuple[str, ...] = ()
    """The addresses that it may go to; one if the request belongs to that."""
    refused: RequestError | None = None
    """The error that it is answered with before any route is looked for."""
    status: int | None = None
    """The status of the gateway's own answer."""

    def document(self, gateway: Gateway) -> dict[str, Any]:
        """Return the answer as JSON."""
        rules = [
            {"rule": each.index + 1, "takes": each.takes, "why": each.why, **gateway.rules[each.index].document()}
            for each in self.verdicts
        ]
        return {
            "rule": None if self.taken is None else self.taken + 1,
            "service": None if self.taken is None else gateway.rules[self.taken].options.id,
            "target": self.upstream_target or None,
            "origins": list(self.origins),
            "status": self.status,
            "error": None if self.refused is None else str(self.refused),
            "rules": rules,
        }


def question(method: str, url: str, headers: Sequence[tuple[str, str]]) -> Question:
    """Return the request that a client sends for a URL or a path. Raises ValueError.

    `headers`: with names in lower case; a Host replaces that of the URL.
    """
    host, target = "", url
    if "://" in url:
        parts = urlsplit(url)
        host, target = parts.netloc.rpartition("@")[2], parts.path or "/"
        if parts.scheme not in ("http", "https") or not host:
            raise ValueError("it begins with http://, https:// or /")
        if parts.query:
            target += f"?{parts.query}"
    elif not url.startswith("/"):
        target = f"/{url}"
    target = target.partition("#")[0]
    host = next((value for name, value in headers if name == "host"), host)
    authority = host.encode("idna" if not host.isascii() else "ascii") or WITHOUT_HOST
    if not is_authority(authority):
        raise ValueError(f"{host!r} is not a host")
    method = method.upper()
    shown = f"{method} {f'http://{host}' if host else ''}{target}"
    fields = tuple((name.encode(), value.encode()) for name, value in headers)
    return Question(method=method, authority=authority, target=target.encode(), headers=fields, shown=shown)


def answer(gateway: Gateway, asked: Question) -> Answer:
    """Return what a gateway does with a request."""
    try:
        path, query, _ = split_target(asked.method.encode(), asked.target, gateway.escaped_slashes)
    except RequestError as error:
        return Answer(refused=error, status=error.status)
    base_path = gateway.base_path.encode()
    if base_path and has_prefix(path, base_path):
        path = path[len(base_path) :] or b"/"
    table = gateway.table
    verdicts = explain(table, asked.method.encode(), asked.authority, path)
    taken = next((each.index for each in verdicts if each.takes), None)
    if taken is None:
        welcome = path == b"/" and asked.method in ("GET", "HEAD")
        return Answer(verdicts=tuple(verdicts), status=200 if welcome else 404)
    upstream = table.routes[taken].upstream_path(path) + query
    rule = gateway.rules[taken]
    marked = next((url for url, mark in rule.marks if matches(mark, asked.headers)), None)
    return Answer(
        verdicts=tuple(verdicts),
        taken=taken,
        upstream_target=upstream.decode("utf-8", "backslashreplace"),
        origins=rule.origins if marked is None else (marked,),
    )
