"""Measures an idle app with five services: CPU, context switches, memory.

python -m benchmarks.idle [--seconds N] [--services N] [--pywatt COMMAND]

Once as it comes, and once with the watchdog off, when the supervisor wakes nobody up.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import apps

SECONDS = 60
SERVICES = 5
SETTLE = 5.0  # seconds after the first answer before it counts as idle
APP = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
"""


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Usage of processes."""

    cpu: float
    """Seconds."""
    switches: int
    """Context switches of all threads."""

    def __sub__(self, other: Cost) -> Cost:
        return Cost(cpu=self.cpu - other.cpu, switches=self.switches - other.switches)


def cost(pids: list[int]) -> Cost:
    """Return what these processes have used until now."""
    ticks = switches = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += sum(int(field) for field in fields[11:13])  # utime and stime, proc(5)
        for status in Path(f"/proc/{pid}/task").glob("*/status"):
            lines = status.read_text().splitlines()
            switches += sum(int(line.split()[1]) for line in lines if "ctxt_switches" in line)
    return Cost(cpu=ticks / os.sysconf("SC_CLK_TCK"), switches=switches)


def write_app(folder: Path, services: int, *, watchdog: bool) -> None:
    """Write an app of `services` ASGI services, the first of which is the entrypoint."""
    names = [f"service{number}" for number in range(services)]
    document = {
        "web": [{"id": name, "path": name} for name in names],
        "entrypoint": names[0],
        "watchdog": watchdog,
        "server": {"hostname": "127.0.0.1", "port": "{PORT}"},
    }
    (folder / "watt.json").write_text(json.dumps(document))
    for name in names:
        (folder / name).mkdir()
        (folder / name / "watt.json").write_text('{"type": "python"}')
        (folder / name / "app.py").write_text(APP)


def measure(pywatt: str, services: int, seconds: float, *, watchdog: bool) -> None:
    """Leave the app idle; print its usage per minute."""
    with tempfile.TemporaryDirectory() as folder:
        write_app(Path(folder), services, watchdog=watchdog)
        with apps.running([pywatt, "start"], Path(folder)) as app:
            app.wait_for("/")
            time.sleep(SETTLE)
            supervisor, tree = [app.process.pid], app.tree()
            before = cost(supervisor), cost(tree)
            time.sleep(seconds)
            per_minute = 60 / seconds
            print(f"watchdog {'on' if watchdog else 'off'}")
            for name, pids, then in (("supervisor", supervisor, before[0]), (f"all {len(tree)}", tree, before[1])):
                used = cost(pids) - then
                print(
                    f"  {name:10}   CPU {used.cpu * per_minute:5.2f} s/min"
                    f"   context switches {used.switches * per_minute:5.0f} /min"
                    f"   PSS {apps.proportional_memory(pids):4.0f} MB"
                )


def main() -> None:
    """Measure with the watchdog and without."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--services", type=int, default=SERVICES)
    parser.add_argument("--pywatt", default=apps.PYWATT)
    options = parser.parse_args()
    for watchdog in (True, False):
        measure(options.pywatt, options.services, options.seconds, watchdog=watchdog)


if __name__ == "__main__":
    main()
