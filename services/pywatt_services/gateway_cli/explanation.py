"""Explains which route of a gateway takes a request, and why the others do not."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt_services.gateway.routes import Route, RouteTable, has_prefix


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of one route to a request."""

    index: int
    """The route's place in the options, from 0."""
    takes: bool
    why: str


def explain(table: RouteTable, method: bytes, authority: bytes, path: bytes) -> list[Verdict]:
    """Return the verdict of every route, those first that the request is compared with, in that order.

    `path`: in normal form, without the gateway's base path.
    """
    asked = table.asked(authority)
    verdicts: list[Verdict] = []
    taker: Route | None = None
    for route in asked:
        index, pattern = route.number, ", ".join(route.options.routes)
        if taker is not None:
            verdicts.append(Verdict(index, False, f"not asked: rule {taker.number + 1} has taken the request"))
            continue
        why_not = refusal(route, pattern, method, path)
        if why_not is None:
            taker = route
        verdicts.append(Verdict(index, why_not is None, why_not or _why(route, pattern)))
    named = bool(asked) and bool(asked[0].hostname)
    for route in table.routes:
        if all(route is not other for other in asked):
            why = f"serves the host {_text(route.hostname)} only"
            if not route.hostname and named:
                why = f"not asked: the host {_text(asked[0].hostname)} has routes of its own"
            verdicts.append(Verdict(route.number, False, why))
    return verdicts


def refusal(route: Route, pattern: str, method: bytes, path: bytes) -> str | None:
    """Return why a route does not take a request to a host that it serves; None when it does."""
    if not has_prefix(path, route.prefix):
        return f"the path is not below {_text(route.prefix)}"
    if route.methods is not None and method not in route.methods:
        return f"takes {', '.join(sorted(each.decode() for each in route.methods))} only"
    rest = path[len(route.prefix) :] or b"/"
    if route.paths is not None and route.paths.fullmatch(rest) is None:
        return f"{_text(rest)} matches none of its routes: {pattern}"
    return None


def _why(route: Route, pattern: str) -> str:
    reasons = [f"the host is {_text(route.hostname)}"] if route.hostname else []
    reasons.append(f"the path is below {_text(route.prefix)}" if route.prefix else "it has no prefix")
    if route.paths is not None:
        reasons.append(f"the rest matches {pattern}")
    return ", ".join(reasons)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "backslashreplace")
