"""A stored response, and its form in the store."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pywatt.http.headers import Header


@dataclass(slots=True)
class Entry:
    """A response, and how long it may be used; times in seconds."""

    status: int
    headers: tuple[Header, ...]
    """As the service sent them, with a Date."""
    body: bytes
    stored_at: float
    """Since the epoch."""
    age: float
    """Its age at that time."""
    lifetime: float
    """The age up to which it is fresh."""
    while_revalidate: float = 0.0
    if_error: float = 0.0
    """Further seconds for which it may be used while it is fetched anew, and when that fails."""
    validate: bool = False
    """True when it must not be used before the service has said that it is still right."""
    for_authorized: bool = False
    """True when it may answer requests with credentials."""
    vary: tuple[bytes, ...] = ()
    """The request headers that it depends on, in lower case and order."""
    etag: bytes = b""
    last_modified: bytes = b""
    tags: tuple[str, ...] = ()
    addressed: bool = False
    """True with a header that tells where something is: see `pywatt.http.response_reader.ADDRESSED`."""

    def age_at(self, now: float) -> float:
        """Return its age."""
        return self.age + max(0.0, now - self.stored_at)

    @property
    def size(self) -> int:
        """The bytes that it takes, roughly."""
        return len(self.body) + sum(len(name) + len(value) + 8 for name, value in self.headers) + 200

    def head(self) -> bytes:
        """Return all but the body, for the store."""
        fields: dict[str, Any] = {
            "status": self.status,
            "headers": [[name.decode("latin-1"), value.decode("latin-1")] for name, value in self.headers],
            "stored_at": self.stored_at,
            "age": self.age,
            "lifetime": self.lifetime,
            "while_revalidate": self.while_revalidate,
            "if_error": self.if_error,
            "validate": self.validate,
            "for_authorized": self.for_authorized,
            "vary": [name.decode("latin-1") for name in self.vary],
            "etag": self.etag.decode("latin-1"),
            "last_modified": self.last_modified.decode("latin-1"),
            "tags": self.tags,
            "addressed": self.addressed,
        }
        return json.dumps(fields, separators=(",", ":")).encode()

    @staticmethod
    def read(head: bytes, body: bytes) -> Entry:
        """Return the entry that `head` has described."""
        return Entry(body=body, **_fields(head))


@lru_cache(maxsize=512)
def _fields(head: bytes) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(head)
    fields["headers"] = tuple((name.encode("latin-1"), value.encode("latin-1")) for name, value in fields["headers"])
    fields["vary"] = tuple(name.encode("latin-1") for name in fields["vary"])
    fields["tags"] = tuple(fields["tags"])
    for key in ("etag", "last_modified"):
        fields[key] = fields[key].encode("latin-1")
    return fields
