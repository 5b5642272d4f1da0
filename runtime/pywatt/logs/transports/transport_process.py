"""The process of a transport: gives log records to a function or an object of the user's.

A function is called once, as `function(records, options)`: `records` is an iterator of dicts, which ends with the app.
A class is called with the options; its method `write` gets each record, and its method `close`, if it has one, is
called at the end.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from operator import attrgetter
from typing import Any, BinaryIO

from pywatt.logs.transports.process_sink import TAKEN


def main() -> None:
    """Take records from standard input until it ends."""
    source = sys.stdin.buffer
    confirmations = os.dup(1)
    os.dup2(2, 1)  # what the transport prints must not be taken for a confirmation
    head = json.loads(source.readline())
    sys.path.insert(0, head["folder"])
    records = _records(source, confirmations)
    target = _target(head["target"])
    if not isinstance(target, type):
        target(records, head["options"])
        for _ in records:  # it has returned early: the rest is not wanted
            pass
        return
    transport: Any = target(head["options"])
    for record in records:
        transport.write(record)
    close = getattr(transport, "close", None)
    if close is not None:
        close()


def _target(name: str) -> Any:
    module, _, attribute = name.partition(":")
    return attrgetter(attribute)(importlib.import_module(module))


def _records(source: BinaryIO, confirmations: int) -> Iterator[dict[str, Any]]:
    """Yield the records; confirm each batch, which ends with an empty line, when the next record is asked for."""
    for line in source:
        if line == b"\n":
            os.write(confirmations, TAKEN)
        else:
            yield json.loads(line)


if __name__ == "__main__":
    main()
