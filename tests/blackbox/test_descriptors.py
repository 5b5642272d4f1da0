"""Closed standard descriptors, and outputs that cannot be written."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from harness.app import PATIENCE, PYWATT, Start, clean_environment, write_files
from harness.apps import gateway_and_api
from harness.processes import MARKER, marked, wait_for_end

HELLO = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
COMBINATIONS = [chosen for size in (1, 2, 3) for chosen in itertools.combinations((0, 1, 2), size)]


def without(descriptors: Sequence[int], *arguments: str) -> list[str]:
    closing = " ".join(f"{descriptor}>&-" for descriptor in descriptors)
    return ["sh", "-c", f'exec "$0" "$@" {closing}', str(PYWATT), *arguments]


@pytest.mark.parametrize("closed", COMBINATIONS)
def test_an_app_starts_serves_and_stops_without_standard_descriptors(
    tmp_path: Path, marker: str, closed: Sequence[int]
) -> None:
    write_files(tmp_path, gateway_and_api(HELLO))
    # A short path: sockets are below it.
    runtimes = Path("/tmp", f"pywatt-{marker[:12]}")
    environment = {**clean_environment(), MARKER: marker, "PORT": "0", "PYWATT_RUNTIME_DIR": str(runtimes)}
    with subprocess.Popen(
        without(closed, "start"),
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        url = _url(runtimes, process)
        assert httpx.get(f"{url}/api/", timeout=PATIENCE).text == "hello"
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert wait_for_end(marked(marker)) == []


def _url(runtimes: Path, process: subprocess.Popen[bytes]) -> str:
    """Return where the app listens, once it does."""
    while True:
        for file in runtimes.glob("*/metadata.json"):
            document = json.loads(file.read_bytes())
            if document["ready"]:
                return str(document["url"])
        with suppress(subprocess.TimeoutExpired):
            assert process.wait(0.02) is None, "it ended"


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
@pytest.mark.parametrize("arguments", [("validate",), ("--help",)])
def test_a_command_works_without_standard_descriptors(
    tmp_path: Path, arguments: tuple[str, ...], closed: Sequence[int]
) -> None:
    write_files(tmp_path, gateway_and_api(HELLO))
    done = subprocess.run(
        without(closed, *arguments),
        cwd=tmp_path,
        env={**clean_environment(), "PORT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert bool(done.stdout) is (1 not in closed)


@pytest.mark.parametrize("arguments", [("ps",), ("--help",)])
def test_an_output_that_takes_nothing_is_told_in_a_sentence(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PYWATT, *arguments], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "error: the output cannot be written: No space left on device\n"


def test_a_reader_that_has_left_is_no_error_to_tell(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [PYWATT, "schema"], cwd=tmp_path, stdout=writer, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.parametrize("name", [".env", "web/api/.env", "secrets"])
def test_variables_come_through_a_fifo(start: Start, tmp_path: Path, name: str) -> None:
    app = HELLO.replace('b"hello"', '__import__("os").environb[b"SECRET"]')
    files = gateway_and_api(app)
    write_files(tmp_path, files)
    os.mkfifo(tmp_path / name)
    named = ("-e", name) if name == "secrets" else ()
    writing = subprocess.Popen(["sh", "-c", f"echo SECRET=told > {name}"], cwd=tmp_path)
    with writing, start(files, "start", *named) as running:
        assert running.get("/api/").text == "told"
        assert running.stop() == 0


def test_a_fifo_that_nobody_writes_to_is_refused(tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api(HELLO))
    os.mkfifo(tmp_path / ".env")
    done = subprocess.run(
        [PYWATT, "validate"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert done.returncode == 2
    assert "nobody has written to this FIFO" in done.stderr
