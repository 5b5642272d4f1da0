"""Fault injection: makes an app's processes fail in every way, one after another, and checks the invariants."""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness.app import Line, RunningApp, run_pywatt, write_files
from harness.processes import MARKER, marked, wait_for_end

WATCHDOG = 700
"""Milliseconds without a heartbeat."""
COLD_SECONDS = 3.0
"""Seconds in which a new forkserver may still be importing."""
ENDS = (" ended: ", " failed to start: ", "has done its work")
WORKERS = {"front": 2, "back": 1, "job": 1, "tool": 1}
"""The number of workers of each service; the lock below counts them."""

CODE = """
import time
BEGUN = time.perf_counter()
import asyncio, decimal, fcntl, fractions, os, pathlib, signal, statistics, subprocess, sys

ROOT = pathlib.Path(os.environ["FAULTS_ROOT"])
NAME = sys.argv[0].split()[-1]

def take_a_place():
    # POSIX locks belong to one process, and end with it.
    for place in range(int(os.environ["FAULTS_WORKERS"])):
        file = open(ROOT / f"{NAME}.{place}.lock", "w")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        return file
    (ROOT / f"{NAME}.too-many.{os.getpid()}").touch()

def obey(*_):
    order = (ROOT / f"{os.getpid()}.order").read_text()
    if order == "exit 0":
        os._exit(0)
    if order == "exit 1":
        raise SystemExit(1)
    if order == "block":
        time.sleep(3600)
    if order == "breed":
        subprocess.Popen(["sleep", "3600"])
        if os.fork() == 0:
            time.sleep(3600)
        os._exit(1)

PLACE = take_a_place()
signal.signal(signal.SIGUSR1, obey)
print(f"imported in {(time.perf_counter() - BEGUN) * 1000:.1f} ms")
"""
ASGI = f"""{CODE}
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({{"type": "http.response.start", "status": 200, "headers": []}})
        await send({{"type": "http.response.body", "body": b"ok"}})
"""
MAIN = f"""{CODE}
async def main():
    await asyncio.Event().wait()
"""
ORDERS = ("exit 0", "exit 1", "block", "breed")
SIGNALS = (signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGSEGV)
Fault = str | signal.Signals


def files(folder: Path) -> dict[str, str | dict[str, Any]]:
    """Return the app's files; its processes keep their notes below the folder."""
    notes = folder / "notes"
    services = [
        {
            "id": name,
            "path": name,
            "workers": workers,
            "env": {"FAULTS_ROOT": str(notes), "FAULTS_WORKERS": str(workers)},
        }
        for name, workers in WORKERS.items()
    ]
    return {
        "watt.json": {
            "web": services,
            "entrypoint": "front",
            "logger": {"level": "debug"},
            "watchdog": {"timeout": WATCHDOG},
            "restart": {"maxDelay": 0, "intensity": 1_000_000},
        },
        "notes/kept": "",
        **{f"{name}/watt.json": {"type": "python"} for name in ("front", "back", "job")},
        "front/app.py": ASGI,
        "back/app.py": ASGI,
        "job/main.py": MAIN,
        "tool/watt.json": {"type": "command", "command": {"run": ["sleep", "36000"], "http": False}},
    }


@dataclass(kw_only=True)
class Faults:
    """Runs the app and injects faults."""

    folder: Path
    marker: str
    rng: random.Random
    done: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    """Milliseconds from each crash to the next worker being ready, without the app's own import."""
    cold: list[float] = field(default_factory=list)
    """The same while the forkserver, which was killed as well, imports everything anew."""
    imports: list[float] = field(default_factory=list)
    _cold_until: float = 0.0
    _stack: ExitStack = field(default_factory=ExitStack)

    def start(self) -> None:
        """Start the app and wait until every worker is ready."""
        running: AbstractContextManager[RunningApp] = run_pywatt(
            self.folder, env={MARKER: self.marker, "PORT": "0", "PYTHONFAULTHANDLER": "1"}
        )
        self.app = self._stack.enter_context(running)
        self.app.wait_for(lambda line: "url" in line)
        self.alive: dict[int, str] = {}
        for line in list(self.app.lines):
            if (name := _started(line)) is not None:
                self.alive[int(line["child"])] = name
        assert Counter(self.alive.values()) == WORKERS
        control = self.app.wait_for(lambda line: "child" in line and '"pywatt.control"' in line["msg"])
        self.control = int(control["child"])
        [self.forkserver] = set(_children(self.app.process.pid)) - {self.control, *self.alive}

    def harm(self, faults: list[tuple[int, Fault]]) -> None:
        """Inject these faults into these workers at once; wait until each death is logged and each has a successor."""
        self._harm(faults)
        self.check()

    def _harm(self, faults: list[tuple[int, Fault]]) -> None:
        after = len(self.app.lines)
        begun = {}
        families = [pid for victim, _ in faults for pid in _descendants(victim)]
        for victim, fault in faults:
            self.done[fault if isinstance(fault, str) else fault.name] += 1
            begun[victim] = time.time() * 1000
            if isinstance(fault, str):
                (self.folder / f"notes/{victim}.order").write_text(fault)
                _signal(victim, signal.SIGUSR1)
            else:
                _signal(victim, fault)
        for victim, fault in faults:
            told = self.app.wait_for(partial(_tells_of, victim), after=after)
            self.alive.pop(victim)
            hung = fault in ("block", signal.SIGSTOP)
            assert ("no sign of life" in told["msg"]) is hung, told
            # Those die only when the watchdog or their own stop has come to its end.
            begin = told["time"] if hung or fault is signal.SIGTERM else begun[victim]
            self._wait_for_successor(told, begin, after)
        assert wait_for_end(families, patience=5) == []

    def harm_forkserver(self) -> None:
        """Kill the forkserver; no other process may be affected."""
        self.done["forkserver"] += 1
        after = len(self.app.lines)
        _signal(self.forkserver, signal.SIGKILL)
        self._cold_until = time.time() + COLD_SECONDS
        if self.rng.random() < 0.5:
            self._harm([(self.rng.choice(list(self.alive)), signal.SIGKILL)])
        self.forkserver = int(self.app.wait_for_text("the forkserver had ended", after=after)["child"])
        self.check()

    def harm_supervisor(self) -> None:
        """Kill the supervisor: every process must end; then start again."""
        self.done["supervisor"] += 1
        if self.rng.random() < 0.5:
            victim = self.rng.choice([pid for pid, name in self.alive.items() if name != "tool"])
            (self.folder / f"notes/{victim}.order").write_text(self.rng.choice(["block", "breed"]))
            _signal(victim, signal.SIGUSR1)
        self.app.process.kill()
        self.app.wait()
        assert wait_for_end(marked(self.marker)) == []
        self._check_notes()
        self.start()

    def check(self) -> None:
        """Compare the running processes and the log with the expected state."""
        self._check_notes()
        expected = {self.app.process.pid, self.forkserver, self.control, *self.alive}
        expected.update(child for pid in self.alive for child in _descendants(pid))
        assert wait_for_end([pid for pid in marked(self.marker) if pid not in expected], patience=5) == []

    def _check_notes(self) -> None:
        """Check that no worker ever found all slots of its service taken, and that each death has one log line."""
        assert [file.name for file in (self.folder / "notes").glob("*.too-many.*")] == []
        ends: Counter[int] = Counter()
        for line in list(self.app.lines):
            if (pid := _ended(line)) is not None:
                ends[pid] += 1
            elif _started(line) is not None:
                ends.pop(int(line["child"]), None)  # on a busy machine pids come round again
        assert [pid for pid, times in ends.items() if times > 1] == []
        assert not set(ends) & set(self.alive), "a worker that lives was told to be dead"

    def stop(self) -> None:
        """Stop the app in the ordinary way."""
        assert self.app.stop() == 0
        self._check_notes()

    def report(self) -> str:
        """Return the faults injected and the recovery times."""
        listed = ", ".join(f"{fault} {count}" for fault, count in sorted(self.done.items()))
        return (
            f"{sum(self.done.values())} faults: {listed}\n"
            f"crash to ready without the app's own import ({statistics.median(self.imports):.0f} ms): "
            f"{_quantiles(self.recoveries)}\nwith a forkserver that was killed, too: {_quantiles(self.cold)}"
        )

    def _wait_for_successor(self, told: Line, begun: float, after: int) -> None:
        name = next(name for name in WORKERS if f'service "{name}"' in told["msg"])
        line = self.app.wait_for(
            lambda line: _started(line) == name and int(line["child"]) not in self.alive, after=after
        )
        pid = int(line["child"])
        self.alive[pid] = name
        own = 0.0
        if name != "tool":
            imported = self.app.wait_for(lambda line: line.get("pid") == pid and "imported in" in line["msg"])
            own = float(imported["msg"].split()[2])
            self.imports.append(own)
        kept = self.cold if begun / 1000 < self._cold_until else self.recoveries
        kept.append(line["time"] - begun - own)


@contextmanager
def faults(folder: Path, marker: str, seed: int) -> Iterator[Faults]:
    """Start the app for fault injection until the context exits."""
    write_files(folder, files(folder))
    with ExitStack() as stack:
        harmed = Faults(folder=folder, marker=marker, rng=random.Random(seed), _stack=stack)
        harmed.start()
        yield harmed


def _quantiles(values: list[float]) -> str:
    times = sorted(values)
    shown = [
        f"p{share * 100:.0f} {times[min(int(len(times) * share), len(times) - 1)]:.0f} ms" for share in (0.5, 0.9, 0.99)
    ]
    return ", ".join([*shown, f"max {times[-1]:.0f} ms of {len(times)}"]) if times else "never"


def _started(line: Line) -> str | None:
    if "child" in line and line["msg"].startswith("started worker"):
        return next((name for name in WORKERS if f'"{name}"' in line["msg"]), None)
    return None


def _ended(line: Line) -> int | None:
    return int(line["child"]) if "child" in line and any(end in line["msg"] for end in ENDS) else None


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):  # one that had no time to die of an earlier fault has now
        os.kill(pid, number)


def _tells_of(pid: int, line: Line) -> bool:
    return _ended(line) == pid


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    return [int(child) for task in tasks.iterdir() for child in (task / "children").read_text().split()]


def _descendants(pid: int) -> list[int]:
    found = _children(pid)
    for child in found:
        found += _children(child)
    return found
