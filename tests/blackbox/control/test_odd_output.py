"""Arbitrary output of a service cannot end pywatt, hide other lines, or control a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.app import Start
from harness.terminal import Outcome, terminal

Run = Callable[..., Outcome]

ODD = [
    rb'{"level":30,"time":1e999,"msg":"endless time"}',
    rb'{"level":30,"time":99999999999999999999,"msg":"late time"}',
    rb'{"level":30,"time":1,"msg":"half","x":"\ud800"}',
    rb'{"level":40,"time":1,"msg":"half \ud800","x":Infinity}',
    b'{"level":30,"time":1,"msg":"deep","x":' + b"[" * 11_000 + b"]" * 11_000 + b"}",
    b'{"level":50,"time":1,"msg":"' + b"long " * 40_000 + b'"}',
    b"\xff\xfe no UTF-8",
    b"\x1b[2J\x1b[H\x1b]0;title\x07 clears",
    b"\xc2\x9b2J C1",
    b"10%\r20%\x00",
    "\u202egnp.exe".encode(),
    b"\x1b[31mred\x1b[0m",
]


def test_odd_output_passes_and_its_neighbours_with_it(start: Start, run: Run, tmp_path: Path) -> None:
    program = f"""
import sys, time
for line in {ODD!r}:
    sys.stdout.buffer.write(line + b"\\nneighbour\\n")
sys.stdout.buffer.write(b"the end\\n")
sys.stdout.flush()
time.sleep(3600)
"""
    files: dict[str, str | dict[str, Any]] = {
        "watt.json": {"services": [{"id": "odd", "path": "odd"}]},
        "odd/watt.json": {"type": "command", "command": {"run": [sys.executable, "program.py"], "http": False}},
        "odd/program.py": program,
    }
    with start(files) as app:
        app.wait_for_text("the end")
        assert app.stop() == 0
        messages = [str(line["msg"]) for line in app.lines if line.get("name") == "odd"]
        assert messages.count("neighbour") == len(ODD)
        half = next(line for line in app.lines if str(line["msg"]).startswith("half \ufffd"))
        assert (half["level"], half["x"]) == (40, "Infinity")
        long = next(line for line in app.lines if str(line["msg"]).startswith("long"))
        assert (long["level"], len(long["msg"])) == (50, 200_000)
    piped = run("logs", "odd", "-n", "all")
    assert piped.status == 0, piped.err
    assert [json.loads(line)["msg"] for line in piped.out.splitlines()] == messages
    assert run("logs", "odd", "-n", "all", env={"PYTHONIOENCODING": "ascii"}).status == 0
    with terminal(tmp_path, "logs", "odd", "-n", "all") as screen:
        assert screen.wait() == 0
        assert r"\x1b[2J\x1b[H\x1b]0;title\x07 clears" in screen.text
        assert r"\x9b2J C1" in screen.text
        assert r"10%\r20%\x00" in screen.text
        assert r"\u202egnp.exe" in screen.text
        assert "\x1b[31mred\x1b[0m" in screen.text
        assert "\x1b[2J" not in screen.text
        assert screen.text.count("neighbour") == len(ODD)
