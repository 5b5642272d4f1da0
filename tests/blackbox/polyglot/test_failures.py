"""Programs that end by themselves: the error contains the reason."""

from __future__ import annotations

from typing import Any

import pytest
from harness.app import Start

SHELL = "echo to stdout; echo to stderr >&2; exit {status}"


def one_program(status: int, **options: Any) -> dict[str, str | dict[str, Any]]:
    command = {"run": ["sh", "-c", SHELL.format(status=status)], **options}
    return {"watt.json": {"web": [{"id": "it", "path": "it"}]}, "it/platformatic.json": {"command": command}}


@pytest.mark.parametrize("status", [0, 3])
def test_its_last_lines_and_its_status_are_in_the_error(start: Start, status: int) -> None:
    with start(one_program(status)) as app:
        assert app.wait() == 1
    report = "\n".join(app.stderr)
    assert "| to stdout" in report
    assert "| to stderr" in report
    assert f"exit {status}' ended with status {status}" in report
    assert "Traceback" not in report


def test_a_program_that_listens_elsewhere_is_reached(start: Start) -> None:
    program = "import http.server; http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler).serve_forever()"
    handler = (
        "import http.server\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200); self.end_headers(); self.wfile.write(b'found')\n"
    )
    files: dict[str, str | dict[str, Any]] = {
        "watt.json": {"web": [{"id": "it", "path": "it"}], "server": {"port": "{PORT}"}},
        "it/platformatic.json": {"command": "python3 server.py"},
        "it/server.py": f"{handler}{program}\n",
    }
    with start(files) as app:
        assert app.get("/").text == "found"
        app.wait_for_text("as PORT and HOST say: it is reached there")
