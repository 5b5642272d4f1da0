"""Start of apps with 25, 50 and 100 trivial services: seconds, and what telling the mesh table takes.

python -m benchmarks.services [--runs N] [--services N ...] [--pywatt COMMAND]

The last line compares the largest with the smallest: 100 services should start within four times the time of 25.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import apps

SERVICES = (25, 50, 100)
TABLE = "tableBytes"
APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
"""


@dataclass(frozen=True, kw_only=True)
class Start:
    """One start and stop."""

    seconds: float
    """Time until every service is ready."""
    stop: float
    """Seconds."""
    messages: int
    bytes: int
    """Bytes of the mesh table sent to all processes together until then."""


def write_app(folder: Path, services: int) -> None:
    """Write an app of a gateway and `services` ASGI services."""
    names = [f"service{number}" for number in range(services)]
    document = {
        "web": [{"id": name, "path": name} for name in ("gateway", *names)],
        "entrypoint": "gateway",
        "server": {"hostname": "127.0.0.1", "port": "{PORT}"},
        "logger": {"level": "debug"},
    }
    (folder / "watt.json").write_text(json.dumps(document))
    (folder / "gateway").mkdir()
    (folder / "gateway/watt.json").write_text('{"type": "gateway"}')
    for name in names:
        (folder / name).mkdir()
        (folder / name / "app.py").write_text(APP)


def measure(pywatt: str, folder: Path) -> Start:
    """Start the app until it says that every service is ready, then stop it. Raises AppError."""
    with apps.running([pywatt, "start"], folder) as app:
        line = None
        while line is None:
            app.check()
            if time.perf_counter() > app.begun + apps.START_TIMEOUT:
                raise apps.AppError(f"it did not start within {apps.START_TIMEOUT:g} s")
            time.sleep(apps.POLL)
            line = next((line for line in list(app.output) if TABLE in line), None)
        seconds = time.perf_counter() - app.begun
        told = json.loads(line)
        return Start(seconds=seconds, stop=app.stop(), messages=told["tableMessages"], bytes=told[TABLE])


def main() -> None:
    """Measure in turns, so that a busy moment meets all sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--services", type=int, nargs="+", default=SERVICES)
    parser.add_argument("--pywatt", default=apps.PYWATT)
    options = parser.parse_args()
    starts: dict[int, list[Start]] = {services: [] for services in sorted(options.services)}
    with tempfile.TemporaryDirectory() as base:
        for services in starts:
            folder = Path(base, str(services))
            folder.mkdir()
            write_app(folder, services)
        for _ in range(options.runs):
            for services, measured in starts.items():
                measured.append(measure(options.pywatt, Path(base, str(services))))
    medians = {
        services: Start(
            seconds=statistics.median(start.seconds for start in measured),
            stop=statistics.median(start.stop for start in measured),
            messages=round(statistics.median(start.messages for start in measured)),
            bytes=round(statistics.median(start.bytes for start in measured)),
        )
        for services, measured in starts.items()
    }
    for services, start in medians.items():
        print(
            f"{services:4} services   start {start.seconds:6.2f} s   stop {start.stop:5.2f} s"
            f"   mesh table {start.messages:5} messages {start.bytes / 1000:7.1f} kB   (median of {options.runs})"
        )
    few, many = min(medians), max(medians)
    print(
        f"{many} / {few} services ({many / few:.1f} x): start {medians[many].seconds / medians[few].seconds:.1f} x,"
        f" bytes of the mesh table {medians[many].bytes / medians[few].bytes:.1f} x"
    )


if __name__ == "__main__":
    main()
