"""`pywatt logs`, and the output of `pywatt start` itself."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
from harness.app import PATIENCE, PYWATT, Start, clean_environment, write_files
from harness.apps import gateway_and_api
from harness.terminal import Outcome, terminal

Run = Callable[..., Outcome]

TALKS = """
import logging, sys, traceback

async def app(scope, receive, send):
    assert scope["type"] == "http"
    word = scope["path"].removeprefix(scope["root_path"]).strip("/")
    if word == "trace":
        try:
            {}["x"]
        except KeyError:
            traceback.print_exc()
    elif word.isdigit():
        for number in range(int(word)):
            print(f"line {number} " + "x" * 200, flush=True)
    else:
        logging.getLogger("talk").warning(word)
        print(f"printed {word}", flush=True)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"said"})
"""


def messages(done: Outcome) -> list[str]:
    assert done.status == 0, done.err
    return [json.loads(line)["msg"] for line in done.out.splitlines()]


def test_logs_has_what_the_app_printed_by_service_level_and_number(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api(TALKS)) as app:
        app.get("/api/one")
        app.get("/api/two")
        app.wait_for_text("printed two")
        assert app.stop() == 0
        everything = messages(run("logs"))
        assert [line["msg"] for line in app.lines] == everything
        assert messages(run("logs", "api")) == ["one", "printed one", "two", "printed two"]
        assert messages(run("logs", "api", "-l", "warn")) == ["one", "two"]
        assert messages(run("logs", "api", "-n", "1")) == ["printed two"]
        assert messages(run("logs", "pywatt", "gateway", "-n", "all")) == [
            line["msg"] for line in app.lines if line["name"] in {"pywatt", "gateway"}
        ]
        assert messages(run("logs", tmp_path.name, "api", "--since", "1h")) == [
            "one",
            "printed one",
            "two",
            "printed two",
        ]
        assert messages(run("logs", "--since", "2999-01-01")) == []
        with terminal(tmp_path, "logs", "api") as screen:
            assert screen.wait() == 0
            assert "WARN" in screen.plain
            assert "printed two" in screen.plain
            assert "\x1b[33mWARN" in screen.text


def test_logs_follows_an_app_and_keeps_the_end_of_one_that_was_killed(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api(TALKS)) as app:
        app.get("/api/early")
        with terminal(tmp_path, "logs", "-f", "api") as screen:
            screen.wait_for("printed early")
            app.get("/api/last")
            screen.wait_for("printed last")  # so it is on disk
            screen.type("\x03")
            assert screen.wait() == 0
        app.stop(signal.SIGKILL)
        assert messages(run("logs", "api")) == ["early", "printed early", "last", "printed last"]
    with start(gateway_and_api(TALKS)) as app:
        app.get("/api/again")
        app.wait_for_text("printed again")
        assert app.stop() == 0
    assert messages(run("logs", "api", "-n", "3")) == ["printed last", "again", "printed again"]


def test_logs_follows_into_a_pipe(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api(TALKS)) as app:
        app.get("/api/early")
        app.wait_for_text("printed early")
        arguments = [os.fspath(PYWATT), "logs", "--follow", "--lines", "1", "api"]
        with subprocess.Popen(arguments, cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE) as follower:
            assert follower.stdout is not None
            assert json.loads(follower.stdout.readline())["msg"].endswith("early")
            app.get("/api/first")
            app.get("/api/second")
            words = []
            while "printed second" not in words:
                words.append(json.loads(follower.stdout.readline())["msg"])
            assert set(words) <= {"printed early", "first", "printed first", "second", "printed second"}
            follower.send_signal(signal.SIGINT)
            assert follower.wait(PATIENCE) == 0


def test_logs_tells_why_an_app_could_not_start(start: Start, run: Run) -> None:
    with start(gateway_and_api("import nothing_like_this\napp = None\n")) as app:
        assert app.wait() == 1
    assert any("failed to start" in message for message in messages(run("logs")))
    assert any("nothing_like_this" in message for message in messages(run("logs", "api")))


def test_logs_of_an_app_that_keeps_none(start: Start, run: Run) -> None:
    with start(gateway_and_api(logger={"history": False})) as app:
        assert app.url
        done = run("logs")
        assert done.status == 1
        assert "logger.history" in done.err


def test_logs_refuses_what_it_does_not_know(start: Start, run: Run) -> None:
    with start(gateway_and_api()) as app:
        assert app.url
        assert app.stop() == 0
    for words, told in (
        (("nobody",), '"nobody" has logged nothing'),
        (("--since", "soon"), "10m, 2h"),
        (("-n", "few"), "a number or `all`"),
        (("-l", "loud"), "loud"),
    ):
        done = run("logs", *words)
        assert done.status != 0
        assert told in done.err


def test_the_history_is_bounded(start: Start, run: Run) -> None:
    with start(gateway_and_api(TALKS, logger={"history": {"maxSize": 0.1}})) as app:
        app.get("/api/2000")
        app.wait_for_text("line 1999")
        assert app.stop() == 0
    kept = messages(run("logs", "api", "-n", "all"))
    assert kept[-1].startswith("line 1999")
    assert 100 < len(kept) < 400


def test_a_stack_trace_on_standard_error_is_one_record(start: Start) -> None:
    with start(gateway_and_api(TALKS)) as app:
        app.get("/api/trace")
        record = app.wait_for_text("Traceback")
        assert record["level"] == 50
        first, *_, last = record["msg"].splitlines()
        assert (first, last) == ("Traceback (most recent call last):", "KeyError: 'x'")


def test_an_app_whose_output_nobody_reads_goes_on_and_loses_nothing_silently(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api(TALKS))
    reader, writer = os.pipe()
    arguments = [os.fspath(PYWATT), "start"]
    with (
        os.fdopen(reader) as output,
        subprocess.Popen(
            arguments, cwd=tmp_path, env={**clean_environment(), "PORT": "0"}, stdout=writer, start_new_session=True
        ) as app,
    ):
        os.close(writer)
        try:
            first: list[dict[str, Any]] = []
            while not first or "url" not in first[-1]:
                first.append(json.loads(output.readline()))
            with httpx.Client(base_url=first[-1]["url"], timeout=PATIENCE) as client:
                # Far beyond what pipe and buffers hold; nothing of it is read meanwhile.
                for _ in range(5):
                    assert client.get("/api/10000").status_code == 200
                assert run("services").status == 0
                assert run("restart", "gateway").status == 0
            app.send_signal(signal.SIGTERM)
            lines = [json.loads(line)["msg"] for line in output]
            assert app.wait(PATIENCE) == 0
        finally:
            app.kill()
    shown = sum(line.startswith("line ") for line in lines)
    lost = sum(int(line.split()[0]) for line in lines if "were not shown" in line)
    assert shown > 0
    assert shown + lost >= 50_000
