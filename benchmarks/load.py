"""Sends load to an address with wrk, and parses its report."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SECONDS = 5
SCALE = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True, kw_only=True)
class Load:
    """Results of one run of wrk."""

    rate: float
    """Answers per second."""
    p50: float
    """Milliseconds."""
    p99: float
    """Milliseconds."""
    failed: int
    """Answers other than 2xx and 3xx, and socket errors."""


def requests(
    url: str, *, connections: int, seconds: int = SECONDS, script: Path | None = None, headers: Sequence[str] = ()
) -> Load:
    """Send requests over that many connections, each as soon as the last is answered. `headers`: as `name: value`."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is not installed (Debian: apt install wrk)")
    command = ["wrk", "--latency", "-t1", f"-c{connections}", f"-d{seconds}s"]
    if script is not None:
        command += ["-s", str(script)]
    for header in headers:
        command += ["-H", header]
    output = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    errors = re.search(r"Socket errors: (.*)", output)
    return Load(
        rate=float(_found(r"Requests/sec:\s+([\d.]+)", output)[1]),
        p50=milliseconds(*_found(r"50%\s+([\d.]+)([a-z]+)", output).groups()),
        p99=milliseconds(*_found(r"99%\s+([\d.]+)([a-z]+)", output).groups()),
        failed=(int(bad[1]) if bad else 0) + sum(map(int, re.findall(r"\d+", errors[1])) if errors else ()),
    )


def milliseconds(number: str, unit: str) -> float:
    """Return a duration that wrk or h2load printed, in milliseconds."""
    return float(number) * SCALE[unit]


def _found(pattern: str, output: str) -> re.Match[str]:
    match = re.search(pattern, output)
    if match is None:
        sys.exit(f"wrk said what this script does not understand:\n{output}")
    return match
