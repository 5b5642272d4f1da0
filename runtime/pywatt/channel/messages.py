"""What the supervisor and a worker say to each other.

    worker -> supervisor    Ready  Degraded  Follow  TableApplied  TableDrained  Pong  Checked  Ask  Debugging
    supervisor -> worker    TableChanged  Stop  Ping  Check  Answer

A message travels as one JSON object whose `kind` is the class name. The code of a service can write into its worker's
channel, so `decode` takes nothing that is not of the form that the fields say.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pywatt.channel import forms

SHOWN_BYTES = 80
"""How much of what is no message an error shows."""


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
class Follow:
    """The worker wants to be told of every change of the mesh table; a TableChanged comes at once."""


@dataclass(frozen=True, slots=True)
class Debugging:
    """The worker listens for an editor's debugger on this loopback port."""

    port: int


@dataclass(frozen=True, slots=True)
class TableChanged:
    """The changes of the mesh table, in the form of `TableDelta.to_json`."""

    delta: Mapping[str, Any]


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
    Ready
    | Degraded
    | Follow
    | TableApplied
    | TableDrained
    | TableChanged
    | Stop
    | Ping
    | Pong
    | Check
    | Checked
    | Ask
    | Answer
    | Debugging
)

_FORMS: dict[type[Message], Mapping[str, Callable[[object], bool]]] = {
    Ready: {"http": forms.flag, "address": forms.maybe(forms.address), "exports": forms.variables},
    Degraded: {"reason": forms.maybe(forms.text)},
    Follow: {},
    TableApplied: {"version": forms.count},
    TableDrained: {"version": forms.count},
    TableChanged: {"delta": forms.mapping},
    Stop: {"timeout": forms.number, "linger": forms.flag},
    Ping: {"sent": forms.number},
    Pong: {"delay": forms.number, "gauges": forms.numbers},
    Check: {"id": forms.count, "hook": forms.text},
    Checked: {"id": forms.count, "problem": forms.text},
    Ask: {"id": forms.count, "command": forms.text, "arguments": forms.mapping},
    Debugging: {"port": forms.count},
    Answer: {"id": forms.count, "result": forms.anything, "error": forms.maybe(forms.mapping)},
}
_KINDS = {cls.__name__: cls for cls in _FORMS}


def encode(message: Message) -> bytes:
    """Return the message's JSON form."""
    body = {spec.name: getattr(message, spec.name) for spec in dataclasses.fields(message)}
    return json.dumps({"kind": type(message).__name__, **body}, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """Read what `encode` made. Raises ValueError for anything else."""
    try:
        document = json.loads(data)
        cls = _KINDS[document.pop("kind")]
        fits = all(_FORMS[cls][name](value) for name, value in document.items())
        message = cls(**document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a message: {data[:SHOWN_BYTES]!r}") from error
    if not fits:
        raise ValueError(f"a {cls.__name__} of another form: {data[:SHOWN_BYTES]!r}")
    return message
