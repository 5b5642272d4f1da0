"""Matches paths with `:parameters`, as in `/api/process/:id`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar
from urllib.parse import unquote

RouteT = TypeVar("RouteT")

_LITERAL = re.compile(r"[^:*/?#%\s]*")
_PARAMETER = re.compile(r":[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class PathPattern:
    """Segments of a path; one that starts with `:` is a parameter and matches any text that is not empty."""

    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> PathPattern:
        """Read `/api/process/:id`. Raises ValueError with the problem."""
        if not text.startswith("/"):
            raise ValueError("a path starts with /")
        segments = tuple(text[1:].split("/"))
        names = [segment for segment in segments if segment.startswith(":")]
        for segment in segments:
            if not (_PARAMETER.fullmatch(segment) or _LITERAL.fullmatch(segment)):
                raise ValueError(f"{segment!r} is neither plain text nor a :parameter made of letters, digits and _")
        if len(set(names)) != len(names):
            raise ValueError("two parameters have the same name")
        return cls(segments)

    def __str__(self) -> str:
        return "/" + "/".join(self.segments)

    def match(self, segments: tuple[str, ...]) -> dict[str, str] | None:
        """Return the parameters if the (decoded) segments of a path fit, else None."""
        if len(segments) != len(self.segments):
            return None
        found: dict[str, str] = {}
        for pattern, segment in zip(self.segments, segments, strict=True):
            if pattern.startswith(":"):
                if not segment:
                    return None
                found[pattern[1:]] = segment
            elif pattern != segment:
                return None
        return found

    @property
    def shape(self) -> tuple[str, ...]:
        """The pattern without the parameters' names: equal shapes take the same paths."""
        return tuple(":" if segment.startswith(":") else segment for segment in self.segments)


class Routes(Generic[RouteT]):
    """Finds the target of a path; plain text wins over a parameter, from left to right."""

    def __init__(self, routes: Iterable[tuple[PathPattern, RouteT]]) -> None:
        self._routes = sorted(routes, key=lambda route: [part.startswith(":") for part in route[0].segments])

    def find(self, raw_path: str) -> tuple[RouteT, Mapping[str, str]] | None:
        """Return the target of a path as it came over the wire (still percent-encoded) and its parameters."""
        if not self._routes:
            return None
        segments = path_segments(raw_path)
        for pattern, target in self._routes:
            if (found := pattern.match(segments)) is not None:
                return target, found
        return None


def taken_by(path: PathPattern, *, dlq: bool) -> str | None:
    """Return why a path is not available, in words that follow it; `dlq`: whether dead letters are served."""
    match path.segments:
        case ("topics", _):
            return "is a path for publishing: POST /topics/:topic"
        case ("metrics" | "why",):
            return "is answered by the service itself inside the app"
        case ("dlq", *_) if dlq:
            return "is a path of the dead letters, which operations.dlq serves there"
    return None


def path_segments(raw_path: str) -> tuple[str, ...]:
    """Split a path as it came over the wire, then decode each segment: an encoded slash stays inside its segment."""
    return tuple(unquote(segment) for segment in raw_path.removeprefix("/").split("/"))
