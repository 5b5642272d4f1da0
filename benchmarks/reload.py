"""Counts failed requests while an app is restarted again and again: pywatt, uvicorn's workers, nginx as the gateway.

python -m benchmarks.reload [--rounds N]

The load is that of the tests (`tests/harness/load.py`): busy and idle keep-alive connections, new connections, POSTs,
requests of 5 s, server-sent events, WebSockets; every answer that is no 2xx and every lost connection counts.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from string import Template

from benchmarks import apps

sys.path.insert(0, str(apps.ROOT / "tests"))

from harness.app import write_files
from harness.load import MIX, load
from harness.load_apps import API, loaded_app

ROUNDS = 5
SETTLE = 2.0  # seconds between two restarts
PEERS_MIX = {kind: count for kind, count in MIX.items() if kind != "called"}
"""The app without calls from service to service: the peers have one service."""

NGINX = Template("""
daemon off; worker_processes 1; pid $folder/nginx.pid; error_log stderr;
events { worker_connections 2048; }
http {
  access_log off; client_body_temp_path $folder/body; proxy_temp_path $folder/proxy;
  fastcgi_temp_path $folder/fastcgi; uwsgi_temp_path $folder/uwsgi; scgi_temp_path $folder/scgi;
  map $$http_upgrade $$connection_upgrade { default upgrade; '' ''; }
  upstream service { server 127.0.0.1:$upstream; keepalive 64; }
  server {
    listen 127.0.0.1:$port;
    client_max_body_size 0; client_body_buffer_size 1m;
    location / {
      proxy_pass http://service/; proxy_http_version 1.1; proxy_buffering off;
      proxy_set_header Upgrade $$http_upgrade; proxy_set_header Connection $$connection_upgrade;
    }
  }
}
""")


def measure(name: str, app: apps.App, restart: Callable[[], None], rounds: int, *, prefix: str = "") -> None:
    """Restart that often under load and print what was lost."""
    app.wait_for(f"{prefix}/fast")
    seconds = 0.0
    with load(app.url, MIX if prefix else PEERS_MIX, prefix=prefix) as tally:
        tally.wait_for_more()
        for _ in range(rounds):
            begun = time.perf_counter()
            restart()
            seconds += time.perf_counter() - begun
            time.sleep(SETTLE)
    failed, done = tally.failures.total(), tally.done.total()
    print(f"{name:24} {rounds} restarts, {seconds / rounds:5.2f} s each   {done:6} requests   {failed:5} failed")
    for reason, count in tally.failures.most_common(6):
        print(f"{'':24} {count:6} x {' '.join(reason.split())[:120]}")


@contextmanager
def uvicorn(folder: Path) -> Iterator[apps.App]:
    """Run the service under uvicorn's own process manager."""
    (folder / "service.py").write_text(API)
    command = [sys.executable, "-m", "uvicorn", "service:app", "--no-access-log", "--workers", "2"]
    port = apps.free_port()
    with apps.running([*command, "--port", str(port)], folder) as app:
        app.port = port
        yield app


@contextmanager
def nginx(folder: Path, upstream: int) -> Iterator[apps.App]:
    """Run nginx before the service."""
    port = apps.free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.substitute(folder=folder, port=port, upstream=upstream))
    with apps.running(["nginx", "-p", str(folder), "-c", str(config)], folder) as app:
        app.port = port
        yield app


def main() -> None:
    """Measure all servers that are installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    rounds = parser.parse_args().rounds

    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        write_files(folder, loaded_app())
        with apps.running([apps.PYWATT, "start"], folder) as app:

            def restart(*services: str) -> None:
                command = [apps.PYWATT, "restart", str(app.process.pid), *services]
                subprocess.run(command, check=True, capture_output=True)

            measure("pywatt, service", app, lambda: restart("api"), rounds, prefix="/api")
            measure("pywatt, gateway", app, lambda: restart("gateway"), rounds, prefix="/api")
            measure("pywatt, everything", app, restart, rounds, prefix="/api")
        with uvicorn(folder) as service:
            measure("uvicorn, SIGHUP", service, lambda: os.kill(service.process.pid, signal.SIGHUP), rounds)
        if shutil.which("nginx"):
            with uvicorn(folder) as service, nginx(folder, service.port) as proxy:
                service.wait_for("/fast")
                measure("nginx, SIGHUP", proxy, lambda: os.kill(proxy.process.pid, signal.SIGHUP), rounds)


if __name__ == "__main__":
    main()
