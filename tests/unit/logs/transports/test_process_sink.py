"""The process of a transport, a real one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pywatt.logs.transports.process_sink import ProcessSink

CODE = """
import json, os, sys

def keep(records, options):
    print("this is no confirmation")
    with open(options["path"], "a") as file:
        for record in records:
            if record["msg"] == "die":
                os._exit(3)
            file.write(json.dumps(record) + "\\n")
            file.flush()

def some(records, options):
    open(options["path"], "w").write(str(next(records)["msg"]))

class Kept:
    def __init__(self, options):
        self.path, self.seen = options["path"], []
    def write(self, record):
        self.seen.append(record["msg"])
    def close(self):
        open(self.path, "w").write(" ".join(self.seen))
"""
PATIENCE = 20.0


def line(message: str) -> bytes:
    return json.dumps({"msg": message}).encode() + b"\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "transports_of_test.py").write_text(CODE)
    return tmp_path / "out"


def sink(name: str, path: Path, **options: Any) -> ProcessSink:
    return ProcessSink(f"transports_of_test:{name}", {"path": str(path)}, path.parent, **options)


def kept(path: Path) -> list[str]:
    return [json.loads(text)["msg"] for text in path.read_text().splitlines()]


def test_function_gets_each_record_before_the_batch_counts_as_taken(path: Path) -> None:
    transport = sink("keep", path)
    transport.write(line("a") + line("b"))
    assert kept(path) == ["a", "b"]
    transport.write(line("c"))
    transport.close(PATIENCE)
    assert kept(path) == ["a", "b", "c"]


def test_object_gets_each_record_and_the_end(path: Path) -> None:
    transport = sink("Kept", path)
    transport.write(line("a") + line("b"))
    transport.write(line("c"))
    assert not path.exists()
    transport.close(PATIENCE)
    assert path.read_text() == "a b c"


def test_function_that_returns_early_takes_the_rest_all_the_same(path: Path) -> None:
    transport = sink("some", path)
    transport.write(line("a") + line("b"))
    transport.write(line("c"))
    transport.close(PATIENCE)
    assert path.read_text() == "a"


def test_process_that_ended_is_begun_anew_after_a_pause(path: Path) -> None:
    now = [0.0]
    transport = sink("keep", path, clock=lambda: now[0])
    transport.write(line("a"))
    with pytest.raises(OSError, match="its process has ended"):
        transport.write(line("die") + line("lost"))
    now[0] += 0.5
    with pytest.raises(OSError, match="its process has ended"):
        transport.write(line("too soon"))
    now[0] += 0.5
    transport.write(line("b"))
    transport.close(PATIENCE)
    assert kept(path) == ["a", "b"]


def test_transport_that_does_not_exist_takes_nothing(path: Path) -> None:
    transport = sink("nothing", path)
    with pytest.raises(OSError, match="its process has ended"):
        transport.write(line("a"))
    transport.close(PATIENCE)
