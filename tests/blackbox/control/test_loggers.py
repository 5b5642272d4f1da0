"""The block `logger` of a real app: transports, their faults, forms of lines, raw output."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from harness.app import Start
from harness.apps import gateway_and_api
from harness.terminal import Outcome

Run = Callable[..., Outcome]

APP = """
import json, logging, sys, time

async def app(scope, receive, send):
    assert scope["type"] == "http"
    _, word, *rest = scope["path"].removeprefix(scope["root_path"]).split("/")
    if word == "many":
        for number in range(int(rest[0])):
            logging.getLogger("many").warning("line %d %s", number, "x" * 1000)
    elif word == "print":
        print("as it is", flush=True)
        print("an error", file=sys.stderr, flush=True)
        print("  File between", flush=True)
        logging.getLogger("print").warning("a record")
    elif word == "secret":
        line = {"level": 35, "time": int(time.time() * 1000), "msg": "signed in", "user": {"password": "s3cret"}}
        print(json.dumps({**line, "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736"}), flush=True)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"said"})
"""
TRANSPORTS = """
import time

def hangs(records, options):
    next(records)
    while True:
        time.sleep(60)

def breaks(records, options):
    raise ValueError("no such place")
"""
STDOUT = {"target": "pino/file", "options": {"destination": 1}}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_records_go_to_the_targets_in_the_form_that_is_asked_for(start: Start, run: Run, tmp_path: Path) -> None:
    logger = {
        "customLevels": {"http": 35},
        "redact": ["user.password"],
        "timestamp": "isoTime",
        "base": {"env": "test"},
        "messageKey": "message",
        "formatters": {"path": "form.py"},
        "transport": {
            "targets": [
                STDOUT,
                {"target": "pino/file", "options": {"destination": "logs/all.log"}},
                {"target": "pino/file", "options": {"destination": "logs/warn.log"}, "level": "warn"},
                {"target": "pino-pretty", "options": {"destination": "logs/pretty.log"}, "level": "http"},
            ]
        },
    }
    files = {**gateway_and_api(APP, logger=logger), "form.py": "def level(label, number): return {'severity': label}"}
    with start(files) as app:
        app.get("/api/secret")
        app.get("/api/print")
        app.wait_for(lambda line: line.get("message") == "a record")
        assert app.stop() == 0
    found = next(line for line in lines(tmp_path / "logs/all.log") if line["message"] == "signed in")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("time"))
    assert found == {
        "severity": "http",
        "env": "test",
        "name": "api",
        "worker": 0,
        "message": "signed in",
        "user": {"password": "[redacted]"},
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    }
    assert app.lines == lines(tmp_path / "logs/all.log")
    warned = {line["message"] for line in lines(tmp_path / "logs/warn.log") if line["name"] == "api"}
    assert warned == {"an error", "a record"}
    pretty = (tmp_path / "logs/pretty.log").read_text()
    assert re.search(r"^\[[\d :.-]+\] HTTP  api +signed in$", pretty, re.MULTILINE)
    assert "stopped" not in pretty
    # The history has every record in pywatt's own form, and no secret either.
    (kept,) = [json.loads(line) for line in run("logs", "--where", "level=35").out.splitlines()]
    assert (kept["msg"], kept["user"]) == ("signed in", {"password": "[redacted]"})


def test_transport_that_hangs_or_breaks_neither_blocks_nor_loses_silently(start: Start, tmp_path: Path) -> None:
    targets = [STDOUT, {"target": "own:hangs"}, {"target": "own:breaks"}]
    files = {**gateway_and_api(APP, logger={"transport": {"targets": targets}}), "own.py": TRANSPORTS}
    with start(files) as app:
        app.wait_for_text("the log transport own:breaks does not take lines")
        count = 12_000  # more bytes than are held for a transport
        app.get(f"/api/many/{count}")
        app.wait_for_text(f"line {count - 1} ")
        assert sum("line " in line["msg"] for line in app.lines) == count
        assert app.stop() == 0
    told = [re.match(r"(\d+) lines were not passed to the transport (\S+)", line) for line in app.stderr]
    lost = {match[2]: int(match[1]) for match in told if match is not None}
    assert lost.keys() == {"own:hangs", "own:breaks"}
    assert min(lost.values()) > count - 10
    assert any("no such place" in line for line in app.stderr)


def test_file_is_rotated_while_the_app_runs(start: Start, tmp_path: Path) -> None:
    options = {"destination": "logs/app.log", "maxSize": 0.2, "maxFiles": 4}
    targets = [STDOUT, {"target": "pino/file", "options": options}]
    with start(gateway_and_api(APP, logger={"transport": {"targets": targets}})) as app:
        app.get("/api/many/150")
        app.wait_for_text("line 149 ")
        assert app.stop() == 0
    files = sorted((tmp_path / "logs").iterdir(), reverse=True)
    assert [file.name for file in files] == ["app.log.3", "app.log.2", "app.log.1", "app.log"]
    numbers = [int(line["msg"].split()[1]) for file in files for line in lines(file) if line["msg"].startswith("line ")]
    assert numbers == list(range(150))


def test_text_passes_as_it_is_on_demand(start: Start, run: Run) -> None:
    files = gateway_and_api(APP)
    files["web/api/watt.json"] = {"type": "python", "logger": {"captureStdio": False}}
    with start(files) as app:
        app.get("/api/print")
        assert app.wait_for_text("a record")["name"] == "api"
        assert app.stop() == 0
    assert {"msg": "as it is"} in app.lines
    assert {"msg": "  File between"} in app.lines
    assert "an error" in app.stderr
    assert [json.loads(line)["msg"] for line in run("logs", "api").out.splitlines()] == ["a record"]


class Collector(BaseHTTPRequestHandler):
    bodies: list[bytes]

    def do_POST(self) -> None:
        self.bodies.append(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it overrides
        """Print nothing."""


@contextmanager
def collector() -> Iterator[tuple[str, list[bytes]]]:
    handler = type("Handler", (Collector,), {"bodies": []})
    with HTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/logs", handler.bodies  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


def test_records_are_exported_by_otlp(start: Start) -> None:
    service = pytest.importorskip("opentelemetry.proto.collector.logs.v1.logs_service_pb2")
    with collector() as (url, bodies):
        with start(gateway_and_api(APP, logger={"openTelemetryExporter": {"protocol": "http", "url": url}})) as app:
            app.get("/api/secret")
            app.wait_for_text("signed in")  # it is shown as well
            assert app.stop() == 0
        found: dict[str, tuple[str, Any]] = {}
        for body in bodies:
            request = service.ExportLogsServiceRequest.FromString(body)
            for resource in request.resource_logs:
                name = next(one.value.string_value for one in resource.resource.attributes if one.key == "service.name")
                for scope in resource.scope_logs:
                    found |= {record.body.string_value: (name, record) for record in scope.log_records}
    name, record = found["signed in"]
    assert (name, record.severity_text) == ("api", "INFO")
    assert record.trace_id.hex() == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert found["stopped"][0] == "pywatt"
