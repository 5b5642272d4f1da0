"""Another user of the machine reaches an app by its public address only."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness.app import Start, write_files
from harness.apps import ASGI_API, gateway_and_api
from harness.terminal import command

NOBODY = 65534
VISIT = """
import os, socket, sys
os.setuid(int(sys.argv[1]))
for port in sys.argv[2:]:
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", int(port)))
        sock.sendall(b"GET / HTTP/1.1\\r\\nHost: a\\r\\nConnection: close\\r\\n\\r\\n")
        print(sock.recv(12).decode().split(" ")[1])
"""
PROGRAM = """
import http.server, os
address = "127.0.0.1", int(os.environ["PORT"])
http.server.ThreadingHTTPServer(address, http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def statuses(uid: int, *ports: int) -> list[str]:
    visit = [sys.executable, "-c", VISIT, str(uid), *map(str, ports)]
    return subprocess.run(visit, check=True, capture_output=True, text=True, timeout=30).stdout.split()


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
def test_ports_of_services_are_for_the_apps_own_user(start: Start, tmp_path: Path) -> None:
    files: dict[str, Any] = {
        **gateway_and_api(),
        "web/program/watt.json": {"command": [sys.executable, "program.py"]},
        "web/program/program.py": PROGRAM,
        "web/hyper/app.py": ASGI_API,
        "web/hyper/watt.json": {"server": {"engine": "hypercorn"}},
        "web/hooks/watt.json": {
            "$schema": "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json",
            "brokers": ["127.0.0.1:1"],
            "consumer": {"groupId": "hooks"},
            "topics": [{"topic": "orders", "url": "http://api.plt.local/orders"}],
        },
    }
    files["watt.json"]["web"] += [{"id": each, "path": f"web/{each}"} for each in ("program", "hyper", "hooks")]
    write_files(tmp_path, files)
    with start(files) as app:
        public = urlsplit(app.url).port or 0
        rows = command(tmp_path, "services", "--json").json
        ports = {row["id"]: urlsplit(row["url"]).port or 0 for row in rows if row["id"] != "gateway"}
        assert set(ports) == {"api", "program", "hyper", "hooks"}
        assert "403" not in statuses(os.getuid(), *ports.values())
        assert statuses(NOBODY, *ports.values()) == ["403"] * len(ports)
        assert statuses(NOBODY, public) == ["200"]
        assert app.stop() == 0
