"""Requests and responses, as the functions under a gateway's key `custom` get them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, cast

__all__ = ["Headers", "Request", "Response"]

_ENCODING = "latin-1"


class Headers(MutableMapping[str, str]):
    """Header fields by name, in any case. Several fields of one name are joined by commas; `set-cookie` by `all`."""

    def __init__(self, fields: Iterable[tuple[str, str]] | Mapping[str, str] = ()) -> None:
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        self._fields = list(cast("Iterable[tuple[str, str]]", pairs))

    def __getitem__(self, name: str) -> str:
        found = self.all(name)
        if not found:
            raise KeyError(name)
        return ", ".join(found)

    def __setitem__(self, name: str, value: str) -> None:
        """Replace all fields of the name."""
        self._fields = [(each, old) for each, old in self._fields if each.lower() != name.lower()]
        self._fields.append((name, value))

    def __delitem__(self, name: str) -> None:
        kept = [(each, value) for each, value in self._fields if each.lower() != name.lower()]
        if len(kept) == len(self._fields):
            raise KeyError(name)
        self._fields = kept

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(name.lower() for name, _ in self._fields))

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self._fields})

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"

    def all(self, name: str) -> list[str]:
        """Return the values of all fields of a name."""
        return [value for each, value in self._fields if each.lower() == name.lower()]

    def add(self, name: str, value: str) -> None:
        """Add a field, beside others of the same name."""
        self._fields.append((name, value))

    @classmethod
    def decoded(cls, fields: Iterable[tuple[bytes, bytes]]) -> Headers:
        """Return headers from the bytes of a message."""
        return cls([(name.decode(_ENCODING), value.decode(_ENCODING)) for name, value in fields])

    def encoded(self) -> list[tuple[bytes, bytes]]:
        """Return the fields as bytes. Raises ValueError for a value that is not Latin-1."""
        return [(name.encode(_ENCODING), value.encode(_ENCODING)) for name, value in self._fields]


@dataclass(slots=True, kw_only=True)
class Request:
    """The head of a request."""

    method: str
    path: str
    """The path in normal form, still percent-encoded, as the client sent it to the gateway."""
    query: str
    """Without the `?`."""
    host: str
    client: str
    """The client's IP address."""
    headers: Headers
    """The headers that the service gets, without Host and the headers of the connection; they may be changed."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """Of the client's token, if the policy `auth` has checked one."""


@dataclass(slots=True, kw_only=True)
class Response:
    """A response. That of a service has no `body`, which passes by unread."""

    status: int = 200
    headers: Headers = field(default_factory=Headers)
    body: bytes | str = b""
