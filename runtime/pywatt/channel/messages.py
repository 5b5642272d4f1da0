"""Messages between the supervisor and a worker.

    worker -> supervisor    Ready  Degraded  Follow  TableApplied  TableDrained  Pong  Checked  Ask  Debugging
                            MemoryRecorded
    supervisor -> worker    TableChanged  Stop  Ping  Check  Answer  RecordMemory
                            OpenPrompt

A message travels as one JSON object whose `kind` is the class name. The code of a service can write into its worker's
channel, so `decode` rejects messages whose fields fail their predicates.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pywatt.channel import field_predicates as predicates

SHOWN_BYTES = 80
"""Bytes of an invalid message that an error shows."""


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker takes work from now on."""

    http: bool = True
    """True if it answers HTTP on the sockets it was given."""
    address: str | None = None
    """The worker's endpoint if it is not its unix socket, in the form of `Endpoint.address`."""
    exports: Mapping[str, str] = field(default_factory=dict)
    """Variables for the environment of services that start later."""


@dataclass(frozen=True, slots=True)
class Degraded:
    """A dependency of the service is unavailable; None: it is available again."""

    reason: str | None


@dataclass(frozen=True, slots=True)
class TableApplied:
    """The worker uses this version of the mesh table from now on."""

    version: int


@dataclass(frozen=True, slots=True)
class TableDrained:
    """No calls to endpoints that this version removed are left, except very long ones."""

    version: int


@dataclass(frozen=True, slots=True)
class Follow:
    """The worker subscribes to changes of the mesh table; a TableChanged follows at once."""


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
    """The worker is to finish its requests and exit."""

    timeout: float
    linger: bool = False
    """Another worker serves already: let connections end at their clients' pace rather than close them."""


@dataclass(frozen=True, slots=True)
class Ping:
    """The supervisor asks for a heartbeat."""

    sent: float
    """Time of sending, by CLOCK_MONOTONIC."""


@dataclass(frozen=True, slots=True)
class Pong:
    """The heartbeat of a worker's event loop."""

    delay: float
    """Delay of the event loop in seconds."""
    gauges: Mapping[str, float] = field(default_factory=dict)
    """Measurements of the worker: `waiting` requests, `kafkaLag` in records."""


@dataclass(frozen=True, slots=True)
class Check:
    """The worker is to call a function of the application, `module:function`; the Checked has the same id."""

    id: int
    hook: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a Check."""

    id: int
    problem: str
    """The failure; empty: none."""
    status: int | None = None
    body: str | None = None
    """The status and body with which the function wants the app's health endpoint to respond."""


@dataclass(frozen=True, slots=True)
class RecordMemory:
    """The worker is to record its memory; the MemoryRecorded has the same id."""

    id: int
    seconds: float


@dataclass(frozen=True, slots=True)
class OpenPrompt:
    """The worker is to open a Python prompt for whoever listens at a socket."""

    socket: str
    """Path of a unix socket."""


@dataclass(frozen=True, slots=True)
class MemoryRecorded:
    """The result of a RecordMemory."""

    id: int
    stacks: Sequence[Any]
    """Pairs of the frames, the outermost first, and the bytes that they hold."""
    problem: str = ""
    """The failure; empty: none."""


@dataclass(frozen=True, slots=True)
class Ask:
    """An internal service requests a command; the Answer has the same id."""

    id: int
    command: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of an Ask."""

    id: int
    result: Any = None
    error: Mapping[str, Any] | None = None
    """Its failure, in the form of `pywatt.control.error_json.to_json`."""


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
    | RecordMemory
    | OpenPrompt
    | MemoryRecorded
)

_PREDICATES: dict[type[Message], Mapping[str, Callable[[object], bool]]] = {
    Ready: {"http": predicates.flag, "address": predicates.maybe(predicates.address), "exports": predicates.variables},
    Degraded: {"reason": predicates.maybe(predicates.text)},
    Follow: {},
    TableApplied: {"version": predicates.count},
    TableDrained: {"version": predicates.count},
    TableChanged: {"delta": predicates.mapping},
    Stop: {"timeout": predicates.number, "linger": predicates.flag},
    Ping: {"sent": predicates.number},
    Pong: {"delay": predicates.number, "gauges": predicates.numbers},
    Check: {"id": predicates.count, "hook": predicates.text},
    Checked: {
        "id": predicates.count,
        "problem": predicates.text,
        "status": predicates.maybe(predicates.count),
        "body": predicates.maybe(predicates.text),
    },
    Ask: {"id": predicates.count, "command": predicates.text, "arguments": predicates.mapping},
    OpenPrompt: {"socket": predicates.text},
    RecordMemory: {"id": predicates.count, "seconds": predicates.number},
    MemoryRecorded: {"id": predicates.count, "stacks": predicates.stacks, "problem": predicates.text},
    Debugging: {"port": predicates.count},
    Answer: {"id": predicates.count, "result": predicates.anything, "error": predicates.maybe(predicates.mapping)},
}
_KINDS = {cls.__name__: cls for cls in _PREDICATES}


def encode(message: Message) -> bytes:
    """Return the message's JSON form."""
    body = {spec.name: getattr(message, spec.name) for spec in dataclasses.fields(message)}
    return json.dumps({"kind": type(message).__name__, **body}, separators=(",", ":")).encode()


def decode(data: bytes) -> Message:
    """Decode the result of `encode`. Raises ValueError for anything else."""
    try:
        document = json.loads(data)
        cls = _KINDS[document.pop("kind")]
        fits = all(_PREDICATES[cls][name](value) for name, value in document.items())
        message = cls(**document)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"not a message: {data[:SHOWN_BYTES]!r}") from error
    if not fits:
        raise ValueError(f"a {cls.__name__} of another form: {data[:SHOWN_BYTES]!r}")
    return message
