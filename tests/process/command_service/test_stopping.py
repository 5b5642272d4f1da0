"""A stop reaches every process of a program: below shells, in own sessions, with cleared environments."""

from __future__ import annotations

import shlex
import shutil
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness.context import ready
from harness.output import Output, collected_output
from harness.processes import wait_for_end

from pywatt.service_type import Placement
from pywatt_services.command import TYPE

pytestmark = pytest.mark.anyio

PROGRAM = str(Path(__file__).with_name("program.py"))
POLITE = shlex.join([sys.executable, PROGRAM, "polite", "silent"])
DEAF = shlex.join([sys.executable, PROGRAM, "stubborn", "silent"])
LONG, SHORT = 60.0, 1.0
"""Seconds for a stop: one that must not be used up, and one that will be."""

COUNTING = """
import signal, sys
signal.signal(signal.SIGTERM, lambda *_: print("asked", flush=True))
print("ready", flush=True)
sys.stdin.read()
"""
PARENT = f"""
import os, signal, subprocess, sys
pipes = {{"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}}
child = subprocess.Popen([sys.executable, "-c", {COUNTING!r}], **pipes)
child.stdout.readline()
def stop(*_):
    child.send_signal(signal.SIGTERM)
    child.stdout.readline()
    rest, _ = child.communicate()
    print(f"bye {{rest}}", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
os.write(1, b"pid %d\\n" % child.pid)
signal.pause()
"""
DAEMON = f"""
import os, subprocess, sys
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve(sys.executable, [sys.executable, {PROGRAM!r}, "polite", "silent"], {{}})
    os._exit(0)
os.wait()
subprocess.run(["sleep", "600"])
"""


def command(*run: str) -> partial[Any]:
    placement = Placement(id="it", path=Path(), services=("it",))
    return partial(TYPE.serve, TYPE.configure({"command": {"run": list(run), "http": False}}, placement).options)


async def pid_in(output: Output) -> int:
    return int((await output.until("\n")).split()[1])


@pytest.mark.parametrize(
    "run",
    [
        ("sh", "-c", f"{POLITE}; echo"),
        ("sh", "-c", f"{POLITE} | cat; echo"),
        ("sh", "-c", f"setsid {POLITE} & sleep 600"),
        ("sh", "-c", f"env -i setsid {POLITE} & wait"),
        ("sh", "-c", f"(sh -c '{POLITE}; echo'; echo)"),
        (sys.executable, "-c", DAEMON),
    ],
)
async def test_what_is_left_of_a_program_that_has_ended_is_asked(
    run: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    with collected_output() as output:
        async with ready(command(*run)) as worker:
            pid = await pid_in(output)
            await worker.stop(timeout=LONG)
            assert wait_for_end([pid], 0) == []
            assert "| cat" in " ".join(run) or "bye" in output.read()
    assert "it is killed" not in caplog.text


async def test_a_program_below_a_wrapper_that_waits_is_asked_in_time(caplog: pytest.LogCaptureFixture) -> None:
    with collected_output() as output:
        async with ready(command("sh", "-c", f"trap true TERM; {POLITE}; echo over")) as worker:
            await pid_in(output)
            await worker.stop(timeout=SHORT)
            await output.until("over")
    assert "it is killed" not in caplog.text


async def test_a_program_that_ends_its_children_itself_is_not_helped() -> None:
    with collected_output() as output:
        async with ready(command(sys.executable, "-c", PARENT)) as worker:
            await pid_in(output)
            await worker.stop(timeout=LONG)
            assert "asked" not in await output.until("bye")


async def test_what_does_not_heed_is_killed_wherever_it_is(caplog: pytest.LogCaptureFixture) -> None:
    with collected_output() as output:
        async with ready(command("sh", "-c", f"env -i setsid {DEAF} & sleep 600")) as worker:
            pid = await pid_in(output)
            await worker.stop(timeout=SHORT)
            assert wait_for_end([pid]) == []
    assert "did not end within 0.9 s after SIGTERM; it is killed" in caplog.text


@pytest.mark.skipif(shutil.which("npm") is None, reason="needs npm")
async def test_a_server_that_npm_starts_is_asked(tmp_path: Path) -> None:
    (tmp_path / "package.json").write_text('{"name": "it", "scripts": {"start": "node server.js; echo"}}')
    (tmp_path / "server.js").write_text(
        "process.on('SIGTERM', () => { console.log('bye'); process.exit(0) });\n"
        "console.log('pid', process.pid); setInterval(() => {}, 1000);\n"
    )
    with collected_output() as output:
        async with ready(command("npm", "--silent", "--prefix", str(tmp_path), "start")) as worker:
            await output.until("pid")
            await worker.stop(timeout=LONG)
            await output.until("bye")
