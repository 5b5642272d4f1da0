"""Stack traces that programs of other languages print line by line are one record each."""

from __future__ import annotations

import shutil
import sys
from typing import Any

import pytest
from harness.app import Start

JAVA = """java.lang.IllegalStateException: no stock
\tat shop.Stock.take(Stock.java:17)
\tat shop.Main.main(Main.java:4)
Caused by: java.io.IOException: away
\t... 2 more"""
GO = """panic: boom

goroutine 1 [running]:
main.main()
\t/srv/main.go:4 +0x5d
exit status 2"""
PROGRAM = f"""
import sys
for line in ["INFO begin", *{JAVA.splitlines()!r}, "INFO services:", "  api"]:
    print(line, flush=True)
for line in {GO.splitlines()!r}:
    print(line, file=sys.stderr, flush=True)
"""
NODE = """
function inner() { throw Object.assign(new Error('boom'), {code: 'E_X'}) }
inner()
"""


def service(*words: str) -> dict[str, Any]:
    return {"type": "command", "command": {"run": [*words], "http": False}, "restart": {"policy": "temporary"}}


def test_stack_traces_are_one_record_each_and_complete_at_the_end(start: Start) -> None:
    services = [{"id": "program", "path": "program"}]
    files: dict[str, Any] = {"program/watt.json": service(sys.executable, "-u", "p.py"), "program/p.py": PROGRAM}
    if node := shutil.which("node"):
        services.append({"id": "node", "path": "node"})
        files |= {"node/watt.json": service(node, "crash.js"), "node/crash.js": NODE}
    crash = ""
    with start({"watt.json": {"web": services}, **files}) as app:
        app.wait_for(lambda line: line["name"] == "program" and line["msg"] == "  api")
        app.wait_for(lambda line: line["name"] == "program" and "exit status 2" in line["msg"])
        if node:
            crash = app.wait_for(lambda line: line["name"] == "node" and "Node.js v" in line["msg"])["msg"]
        app.stop()
    said = [line["msg"] for line in app.lines if line["name"] == "program"]
    assert GO in said
    said.remove(GO)
    assert said[:4] == ["INFO begin", JAVA, "INFO services:", "  api"]
    if not node:
        pytest.skip("there is no node for the rest of this test")
    assert "Error: boom\n    at inner" in crash
    assert "code: 'E_X'" in crash
    assert crash.splitlines()[-1].startswith("Node.js v")
