"""An app with few open files goes on to serve, however many clients connect."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from urllib.parse import urlsplit

from harness.app import PATIENCE, run_pywatt, write_files
from harness.apps import gateway_and_api

HELLO = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
FEW_FILES = ("sh", "-c", 'ulimit -n 256; exec "$0" "$@"')
REQUEST = b"GET /api/ HTTP/1.1\r\nHost: a\r\n\r\n"


def test_clients_that_only_connect_keep_nobody_out(tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api(HELLO))
    with (
        run_pywatt(tmp_path, "start", env={"PORT": "0"}, through=FEW_FILES) as app,
        contextlib.ExitStack() as clients,
    ):
        address = urlsplit(app.url)
        for _ in range(400):
            clients.enter_context(socket.create_connection((address.hostname, address.port), timeout=PATIENCE))
        last = clients.enter_context(socket.create_connection((address.hostname, address.port), timeout=PATIENCE))
        for _ in range(2):
            last.sendall(REQUEST)
            assert last.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n")
        assert "ulimit -n 256" in app.wait_for_text("idle connections closed")["msg"]
        assert not any("ended" in str(line.get("msg")) for line in app.lines)
        assert app.stop() == 0
