"""What the supervisor and a worker say to each other.

    worker -> supervisor    Ready  Degraded  TableApplied
    supervisor -> worker    NewTable  Stop

A message travels as one JSON object whose `kind` is the class name.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker takes work from now on."""

    http: bool = True
    """Whether it answers HTTP on the sockets it was given."""
    address: str | None = None
    """Its endpoint when that is not its unix socket, in the form of `Endpoint.address`."""
    exports: Mapping[str, str] = field(default_factory=dict)
    """Variables for the environment of services that start later."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """Something the service needs is away; None: it is back."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class TableApplied:
    """The worker uses this version of the mesh table and no call to an endpoint it dropped is left."""

    version: int


@dataclass(frozen=True, slots=True)
class NewTable:
    """A newer mesh table, in the form of `MeshTable.to_json`."""

    table: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stop:
    """Finish what is in flight and exit within so many seconds."""

    timeout: float
    linger: bool = False
    """Another worker serves already: let connections end at their clients' pace rather than close them."""


Message = Ready | Degraded | TableApplied | NewTable | Stop

_KINDS: dict[str, type[Message]] = {cls.__name__: cls for cls in (Ready, Degraded, TableApplied, NewTable, Stop)}


def encode(message: Message) -> bytes:
    """Return the message's JSON form."""
    body = {spec.name: getattr(message, spec.name) for spec in dataclasses.fields(message)}
    return json.dumps({"kind": type(message).__name__, **body}, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """Read what `encode` made. Raises ValueError."""
    document = json.loads(data)
    try:
        return _KINDS[document.pop("kind")](**document)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a channel message: {data[:80]!r}") from error
