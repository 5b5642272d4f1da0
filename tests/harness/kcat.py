"""kcat, the command-line client of librdkafka's author, as an independent producer and consumer."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest

FORMAT = "%K %S %p %o\n%h\n%k%s\n"
"""Two lines and the bytes of key and value, whose lengths the first line has; -1 is null."""


class KcatRecord(NamedTuple):
    """A record as kcat read it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: bytes
    """`name=value,name=value`."""


def kcat_program() -> str:
    """Return its path; skips the test where it is not installed."""
    for name in ("kcat", "kafkacat"):
        if (program := shutil.which(name)) is not None:
            return program
    pytest.skip("kcat is not installed (apt-get install kcat)")


async def read_by_kcat(broker: str, topic: str) -> Sequence[KcatRecord]:
    """Return all records of a topic."""
    command = [kcat_program(), "-C", "-q", "-e", "-b", broker, "-t", topic, "-o", "beginning", "-f", FORMAT]
    done = await anyio.run_process(command, stderr=subprocess.PIPE)
    return list(_parsed(done.stdout))


def _parsed(output: bytes) -> Sequence[KcatRecord]:
    records: list[KcatRecord] = []
    while output:
        sizes, headers, rest = output.split(b"\n", 2)
        key_size, value_size, partition, offset = map(int, sizes.split())
        key_end = max(key_size, 0)
        value_end = key_end + max(value_size, 0)
        key = None if key_size < 0 else rest[:key_end]
        value = None if value_size < 0 else rest[key_end:value_end]
        assert rest[value_end : value_end + 1] == b"\n", "kcat's output is not understood"
        records.append(KcatRecord(partition, offset, key, value, headers))
        output = rest[value_end + 1 :]
    return records


async def write_by_kcat(
    broker: str,
    topic: str,
    *files: Path,
    lines: bytes = b"",
    compression: str | None = None,
    key: bytes | None = None,
    headers: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> None:
    """Write one record for each file, or else for each of the lines."""
    command: list[str | bytes] = [kcat_program(), "-P", "-b", broker, "-t", topic, *options]
    if compression is not None:
        command += ["-z", compression]
    if key is not None:
        command += [b"-k", key]
    for name, value in (headers or {}).items():
        command += ["-H", f"{name}={value}"]
    await anyio.run_process([*command, *map(str, files)], input=lines, stderr=subprocess.PIPE)
