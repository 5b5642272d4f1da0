"""The file of a recording: lines of JSON, compressed by gzip.

The first line says what it is; each further one has a `kind` and `data`. A file may come from anywhere: it is read into
bounded memory, and nothing in it names a file or a program.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywatt.errors import PywattError
from pywatt.logs.ndjson import from_line
from pywatt_services.dashboard.otlp.spans import Span

FORMAT, VERSION = "pywatt recording", 1
SUFFIX = ".pywatt"
MOST_FILE_BYTES = 64 * 1024 * 1024
MOST_BYTES = 256 * 1024 * 1024
"""Unpacked."""
LONGEST_LINE = 32 * 1024 * 1024
MOST_RECORDS, MOST_RECORD_BYTES = 50_000, 32 * 1024 * 1024
"""Of the log."""
MOST_SPANS = 200_000
PIECE = 256 * 1024
DOCUMENTS = {
    "services": ("services",),
    "graph": ("nodes", "edges"),
    "metrics": ("times", "families"),
    "config": ("services",),
}
"""The documents of a recording, and the lists that each has."""


class MalformedRecording(PywattError):
    """A file is no recording that can be shown."""


@dataclass(slots=True)
class Recording:
    """The contents of a file."""

    about: Mapping[str, Any]
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    environments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By service."""
    spans: list[Span] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    """Of the log, as JSON."""


class Packer:
    """Compresses the lines of a recording."""

    def __init__(self) -> None:
        self._packer = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)

    def about(self, about: Mapping[str, Any]) -> bytes:
        """Return the first bytes."""
        return self._add(json.dumps({"format": FORMAT, "version": VERSION, **about}).encode())

    def add(self, kind: str, data: Any) -> bytes:
        """Return the bytes of one more line, which may be none yet."""
        return self.add_text(kind, json.dumps(data, separators=(",", ":")).encode())

    def add_text(self, kind: str, text: bytes) -> bytes:
        """Return the bytes of a line whose data are JSON already."""
        return self._add(b'{"kind":"%b","data":%b}' % (kind.encode(), text))

    def end(self) -> bytes:
        """Return the last bytes."""
        return self._packer.flush()

    def _add(self, line: bytes) -> bytes:
        return self._packer.compress(line + b"\n")


def read_recording(path: Path) -> Recording:
    """Return the contents of a file. Raises MalformedRecording, OSError."""
    try:
        return _recording(_lines(path))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, zlib.error) as error:
        hint = "`pywatt dashboard export FILE` makes one"
        raise MalformedRecording(f"{path} is no recording of pywatt: {error}", hint=hint) from error


def _recording(lines: Iterator[bytes]) -> Recording:
    first = json.loads(next(lines, b""))
    if not isinstance(first, dict) or first.get("format") != FORMAT:
        raise ValueError("its first line says so")
    if first.get("version") != VERSION:
        raise ValueError(f"its version is {first.get('version')!r}, and this pywatt knows {VERSION}")
    found = Recording({"app": str(first["app"]), "by": str(first["by"]), "at": float(first["at"])})
    if not math.isfinite(found.about["at"]):
        raise ValueError("it has no time")
    size = 0
    for line in lines:
        document = json.loads(line)
        kind, data = document["kind"], document["data"]
        if kind == "span" and len(found.spans) < MOST_SPANS:
            found.spans.append(Span.from_json(data))
        elif kind == "log" and len(found.records) < MOST_RECORDS and size < MOST_RECORD_BYTES:
            text = json.dumps(data).encode()
            if from_line(text) is not None:
                size += len(text)
                found.records.append(text)
        elif kind == "env":
            found.environments[str(data["service"])] = {str(name): str(text) for name, text in data["env"].items()}
        elif kind in DOCUMENTS:
            found.documents[kind] = _checked(kind, data)
    return found


def _checked(kind: str, data: Any) -> dict[str, Any]:
    if not isinstance(data, dict) or not all(isinstance(data.get(name), list) for name in DOCUMENTS[kind]):
        raise ValueError(f"its part {kind} is malformed")
    if kind != "metrics" and not all(isinstance(each, dict) for name in DOCUMENTS[kind] for each in data[name]):
        raise ValueError(f"its part {kind} is malformed")
    return data


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file, and never hold more than one, bounded."""
    if not path.is_file():
        raise ValueError("it is no file")
    if path.stat().st_size > MOST_FILE_BYTES:
        raise ValueError(f"it has more than {MOST_FILE_BYTES >> 20} MB")
    unpacker, total, rest = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16), 0, b""
    with path.open("rb") as file:
        while packed := file.read(PIECE):
            while packed:
                piece = unpacker.decompress(packed, PIECE)
                packed = unpacker.unconsumed_tail
                total += len(piece)
                *lines, rest = (rest + piece).split(b"\n")
                if total > MOST_BYTES or len(rest) > LONGEST_LINE:
                    raise ValueError(f"it unpacks to more than {MOST_BYTES >> 20} MB, or has too long a line")
                yield from lines
    if not unpacker.eof:
        raise ValueError("it is cut off")
