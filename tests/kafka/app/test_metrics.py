"""The metrics page of an app with kafka-hooks, lag health, and a program that serves a page of its own."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from harness.app import run_pywatt, write_files
from harness.apps import Files
from harness.scraping import Scraper, Values, scrape_until, total

RECORDS = 40
REFUSED = 5
API = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        body = (await receive()).get("body", b"")
        status = 400 if b"bad" in body else 200
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body"})
"""
PROGRAM = """
import http.server, os

PAGE = '''# HELP program_jobs_total Jobs
# TYPE program_jobs_total counter
program_jobs_total{kind="big"} 3
'''

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE.encode())

    def log_message(self, *arguments):
        pass

http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

pytestmark = pytest.mark.timeout(180)


def app_files(broker: str, topic: str, port: int) -> Files:
    return {
        "watt.json": {
            "metrics": {"hostname": "127.0.0.1", "port": port},
            "entrypoint": "gateway",
            "web": [
                {"id": "gateway", "path": "gateway"},
                {"id": "kafka-hooks", "path": "kafka-hooks", "workers": 2},
                {"id": "api", "path": "api"},
                {"id": "program", "path": "program"},
                {"id": "lag", "path": "lag"},
            ],
        },
        "gateway/watt.json": {
            "type": "gateway",
            "gateway": {"applications": [{"id": "kafka-hooks", "proxy": {"prefix": "/"}}]},
        },
        "kafka-hooks/watt.json": {
            "type": "kafka-hooks",
            "brokers": [broker],
            "consumer": {"groupId": topic},
            "topics": [{"topic": topic, "url": "http://api.plt.local/take", "retries": 1, "dlq": f"{topic}-dead"}],
        },
        "api/watt.json": {"type": "python"},
        "api/app.py": API,
        "program/watt.json": {
            "type": "command",
            "command": [sys.executable, "program.py"],
            "metrics": {"endpoint": "/metrics"},
        },
        "program/program.py": PROGRAM,
        "lag/watt.json": {
            "type": "health",
            "health": {"groupId": topic, "brokers": [broker], "checkInterval": 500},
        },
    }


def test_the_page_has_it_all_and_a_killed_worker_takes_nothing_away(broker: str, topic: str, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port = sock.getsockname()[1]
    url = f"http://127.0.0.1:{port}/metrics"
    write_files(tmp_path, app_files(broker, topic, port))
    with run_pywatt(tmp_path, env={"PORT": "0"}) as app:
        app.wait_for_text(f"metrics are served at {url}")
        with Scraper(url) as scraper:
            for number in range(RECORDS):
                body = "bad" if number < REFUSED else f"good {number}"
                answer = app.post(
                    f"/topics/{topic}?ack=1", content=body, headers={"x-plt-kafka-hooks-key": str(number)}
                )
                assert answer.status_code in (200, 202, 204), answer.text
            scrape_until(
                url, lambda page: hooks(page, topic, "200") >= RECORDS - REFUSED and dead(page, topic) >= REFUSED
            )
            seen = len(app.lines)
            os.kill(app.worker_pid("kafka-hooks"), signal.SIGKILL)
            app.wait_for_text("started worker", after=seen)
            values = scrape_until(
                url,
                lambda page: (
                    ("kafka_consumer_group_lag_records" in {name for name, _ in page})
                    and total(page, "kafka_consumer_group_lag_records", group=topic) == 0
                    and total(page, "program_jobs_total") == 3
                    and total(page, "pywatt_service_ready_workers", service="kafka-hooks") == 2
                ),
            )
        assert scraper.fallen == []
        assert hooks(values, topic, "200") >= RECORDS - REFUSED
        assert dead(values, topic) >= REFUSED
        assert total(values, "program_jobs_total", service="program", kind="big") == 3
        assert total(values, "pywatt_scrape_up", service="program") == 1
        calls = total(values, "pywatt_mesh_requests_total", caller="kafka-hooks", callee="api")
        # The killed worker may not have had the answers to its last calls.
        assert RECORDS <= calls <= total(values, "pywatt_http_requests_total", service="api", method="POST")
        assert total(values, "pywatt_gateway_requests_total", route="kafka-hooks", method="POST") == RECORDS
        assert app.stop() == 0


def hooks(page: Values, topic: str, status: str) -> float:
    return total(page, "kafka_hooks_http_request_duration_seconds_count", topic=topic, status_code=status)


def dead(page: Values, topic: str) -> float:
    return total(page, "kafka_hooks_dlq_messages_total", service="kafka-hooks", topic=topic)
