"""What the supervisor and a worker say to each other.

    worker -> supervisor    Ready  Degraded  TableApplied  TableDrained  Pong  Checked  Ask
    supervisor -> worker    NewTable  Stop  Ping  Check  Answer

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
    """The worker makes its calls by this version of the mesh table from now on."""

    version: int


@dataclass(frozen=True, slots=True)
class TableDrained:
    """No call to an endpoint which this version dropped is left, except those that take very long."""

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


@dataclass(frozen=True, slots=True)
class Ping:
    """The supervisor asks for a sign of life."""

    sent: float
    """When, by CLOCK_MONOTONIC."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The event loop of a worker turns."""

    delay: float
    """Seconds that the ping had to wait for it."""
    gauges: Mapping[str, float] = field(default_factory=dict)
    """What the worker measures: `waiting` requests, `kafkaLag` in records."""


@dataclass(frozen=True, slots=True)
class Check:
    """Call a function of the application, `module:function`; the Checked bears the same number."""

    id: int
    hook: str


@dataclass(frozen=True, slots=True)
class Checked:
    """What the function says."""

    id: int
    problem: str
    """What is wrong; blank: nothing."""


@dataclass(frozen=True, slots=True)
class Ask:
    """An internal service asks for a command to be carried out; the Answer bears the same number."""

    id: int
    command: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an Ask."""

    id: int
    result: Any = None
    error: Mapping[str, Any] | None = None
    """Why it failed, in the form of `pywatt.control.failure.to_json`."""


Message = (
    Ready | Degraded | TableApplied | TableDrained | NewTable | Stop | Ping | Pong | Check | Checked | Ask | Answer
)

_KINDS: dict[str, type[Message]] = {
    cls.__name__: cls
    for cls in (Ready, Degraded, TableApplied, TableDrained, NewTable, Stop, Ping, Pong, Check, Checked, Ask, Answer)
}


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
