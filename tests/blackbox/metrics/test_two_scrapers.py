"""Two scrapers over rolling restarts and crashes: the sums agree with the counts of the clients.

PYWATT_METRICS_KILLS=20 is the long form: so many workers of each service are killed.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import pytest
from harness.app import PATIENCE, PYWATT, RunningApp, Start, clean_environment
from harness.scraping import Scraper, scrape, scrape_until, total

CLIENTS = 4
KILLS = int(os.environ.get("PYWATT_METRICS_KILLS", "2"))
API = """
from prometheus_client import Counter, Gauge

ORDERS = Counter("orders_total", "Orders", ["kind"])
OPEN = Gauge("orders_open", "Open orders", multiprocess_mode="livesum")


async def app(scope, receive, send):
    if scope["type"] == "http":
        ORDERS.labels("good").inc()
        OPEN.set(1)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})
"""

pytestmark = [pytest.mark.timeout(120 + 20 * KILLS)]


def files(port: int) -> dict[str, Any]:
    return {
        "watt.json": {
            "metrics": {"hostname": "127.0.0.1", "port": port, "labels": {"site": "here"}},
            "web": [
                {"id": "api", "path": "api", "workers": 2},
                {"id": "gateway", "path": "gateway", "workers": 2},
            ],
            "entrypoint": "gateway",
            "restart": {"intensity": 100},
        },
        "api/watt.json": {"type": "python"},
        "api/app.py": API,
        "gateway/watt.json": {
            "type": "gateway",
            "gateway": {"applications": [{"id": "api", "proxy": {"prefix": "/api"}}]},
        },
    }


class Clients:
    """Send requests, each over a keep-alive connection of its own."""

    def __init__(self, url: str) -> None:
        self.answers: Counter[int] = Counter()
        """Complete answers by status."""
        self.lost = 0
        """Requests without a complete answer, which may be counted or not."""
        self._address = urlsplit(url).netloc
        self._end = threading.Event()
        self._changed = threading.Condition()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(PATIENCE)

    def more(self, count: int = 50) -> None:
        """Wait until so many more requests have been answered."""
        with self._changed:
            wanted = self.answers[200] + count
            assert self._changed.wait_for(lambda: self.answers[200] >= wanted, PATIENCE)

    def _run(self) -> None:
        connection = http.client.HTTPConnection(self._address, timeout=PATIENCE)
        while not self._end.is_set():
            try:
                connection.request("GET", "/api/x")
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                with self._changed:
                    self.lost += 1
                continue
            with self._changed:
                self.answers[response.status] += 1
                self._changed.notify_all()
        connection.close()


def kill(app: RunningApp, service: str) -> Callable[[], None]:
    def act() -> None:
        seen = len(app.lines)
        os.kill(app.worker_pid(service), signal.SIGKILL)
        app.wait_for_text(f'of the service "{service}"', after=seen)
        app.wait_for(lambda line: "started worker" in line["msg"] and f'"{service}"' in line["msg"], after=seen)

    return act


def restart(app: RunningApp, service: str) -> Callable[[], None]:
    def act() -> None:
        command = [str(PYWATT), "restart", str(app.process.pid), service]
        done = subprocess.run(command, capture_output=True, text=True, env=clean_environment())
        assert done.returncode == 0, done.stderr

    return act


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


def test_the_sums_agree_with_the_clients(start: Start) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/metrics"
    with start(files(port)) as app:
        app.wait_for_text(f"metrics are served at {url}")
        with Scraper(url) as one, Scraper(url) as other:
            with Clients(app.url) as clients:
                clients.more()
                for act in (
                    restart(app, "api"),
                    restart(app, "gateway"),
                    *[kill(app, "api")] * KILLS,
                    *[kill(app, "gateway")] * KILLS,
                ):
                    act()
                    clients.more()
                control = kill_control(app)
                app.wait_for_text("metrics are served at", after=control)
                clients.more()
            # Gauges of requests in flight are set with the heartbeat.
            values = scrape_until(url, lambda page: total(page, "pywatt_gateway_requests_in_flight") == 0)
            again = scrape(url)
        counted = clients.answers
        good = total(values, "pywatt_gateway_requests_total", service="gateway", route="api", status="2xx")
        everything = total(values, "pywatt_gateway_requests_total", service="gateway")
        assert counted[200] <= good <= counted[200] + clients.lost, (counted, clients.lost)
        assert counted.total() <= everything <= counted.total() + clients.lost
        assert total(values, "pywatt_gateway_request_duration_seconds_count") == everything
        # A killed worker of the service has counted requests that another one has answered then.
        at_service = total(values, "pywatt_http_requests_total", service="api", status="2xx")
        assert counted[200] <= at_service <= everything + KILLS * CLIENTS
        assert counted[200] <= total(values, "orders_total", service="api", kind="good", site="here")
        assert total(values, "pywatt_service_restarts_total", service="api") == KILLS
        assert total(values, "orders_open") <= 2
        assert {key: value for key, value in values.items() if "requests" in key[0] or key[0] == "orders_total"} == {
            key: value for key, value in again.items() if "requests" in key[0] or key[0] == "orders_total"
        }
        assert one.fallen == other.fallen == []
        assert min(one.pages, other.pages) > 5
        folder = runtime_folder(app)
        assert len(list(folder.glob("metrics/live/*"))) == 4
        assert list(folder.glob("metrics/ended/*")) == []
        assert app.stop() == 0


def runtime_folder(app: RunningApp) -> Path:
    """Return the runtime folder of the app."""
    documents = Path(f"/tmp/pywatt-{os.getuid()}").glob("*/metadata.json")
    return next(path.parent for path in documents if json.loads(path.read_text())["pid"] == app.process.pid)


def kill_control(app: RunningApp) -> int:
    """Kill the control worker; return the number of log lines before that."""
    line = app.wait_for_text("metrics are served at")
    seen = len(app.lines)
    os.kill(line["pid"], signal.SIGKILL)
    return seen
