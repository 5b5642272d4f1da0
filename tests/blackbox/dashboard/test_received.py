"""Metrics and log records that services send by OTLP are on the app's page of metrics, in its log, and in the views."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from harness.app import PYWATT, Start, clean_environment
from harness.browser import dashboard_url, open_page
from harness.hostile_texts import HOSTILE_TEXTS

from pywatt.metrics.received import MOST_NUMBERS

pytestmark = pytest.mark.blackbox

TRACE = "0af7651916cd43dd8448eb211c80319c"
API = """
import json, logging, os

from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.trace import TracerProvider

metrics = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(), export_interval_millis=3600_000)])
meter = metrics.get_meter("shop")
orders, wait = meter.create_counter("shop.orders", "{order}", "Orders"), meter.create_histogram("shop.wait", "s")
logs = LoggerProvider()
logs.add_log_record_processor(SimpleLogRecordProcessor(OTLPLogExporter()))
log = logging.getLogger("shop")
log.propagate = False
log.addHandler(LoggingHandler(logger_provider=logs))
tracer = TracerProvider().get_tracer("shop")

async def app(scope, receive, send):
    texts = json.loads((await receive()).get("body") or b"[]")
    if scope["path"] == "/crash":
        os._exit(3)
    for text in texts:
        orders.add(1, {"text": text})
        wait.record(0.2)
        with tracer.start_as_current_span("order"):
            log.warning(text, extra={"order": text})
    import asyncio
    await asyncio.to_thread(metrics.force_flush)
    await send({"type": "http.response.start", "status": 204, "headers": [(b"worker", str(os.getpid()).encode())]})
    await send({"type": "http.response.body", "body": b""})
"""
NODE = """
const http = require("node:http");
const [key, value] = process.env.OTEL_EXPORTER_OTLP_HEADERS.split("=");
const headers = { "content-type": "application/json", [key]: decodeURIComponent(value) };
const [name, instance] = process.env.OTEL_RESOURCE_ATTRIBUTES.split("=");
const resource = { attributes: [{ key: name, value: { stringValue: instance } }] };
const url = process.env.OTEL_EXPORTER_OTLP_ENDPOINT;
const send = (path, body) => fetch(`${url}/v1/${path}`, { method: "POST", headers, body: JSON.stringify(body) });
http.createServer(async (request, response) => {
  const attributes = [{ key: "shop", value: { stringValue: "north" } }];
  const dataPoints = [{ asInt: "7", startTimeUnixNano: "1", timeUnixNano: "2", attributes }];
  const sum = { isMonotonic: true, aggregationTemporality: 2, dataPoints };
  const metrics = [{ name: "shop.parcels", unit: "1", sum }];
  await send("metrics", { resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] });
  const body = { stringValue: "a parcel is lost" };
  const logRecords = [{ severityNumber: 17, body, traceId: "TRACE", spanId: "b7ad6b7169203331" }];
  await send("logs", { resourceLogs: [{ resource, scopeLogs: [{ logRecords }] }] });
  response.end("sent");
}).listen(process.env.PORT, process.env.HOST);
""".replace("TRACE", TRACE)
FILES: Mapping[str, Any] = {
    "watt.json": {
        "server": {"port": 0},
        "entrypoint": "api",
        "metrics": {"port": 0},
        "web": [{"id": "api", "path": "api"}],
    },
    "api/app.py": API,
}


def told(folder: Path, *words: str) -> str:
    done = subprocess.run([PYWATT, *words], cwd=folder, env=clean_environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def counted(folder: Path, name: str) -> dict[str, float]:
    """Return the values of a metric by its label `text`, after its labels were checked."""
    found = {}
    for family in json.loads(told(folder, "metrics", "-f", "json")):
        for each in family["values"]:
            if each["metricName"] == name:
                assert each["labels"]["service"] == "api"
                found[each["labels"].get("text", "")] = each["value"]
    return found


def test_an_sdk_s_metrics_and_logs_are_the_app_s(start: Start, chromium: Any, tmp_path: Path) -> None:
    with start(FILES, "dev") as app:
        assert app.post("/", json=list(HOSTILE_TEXTS)).status_code == 204
        before = counted(tmp_path, "shop_orders_total")
        assert before == dict.fromkeys(HOSTILE_TEXTS, 1)
        assert counted(tmp_path, "shop_wait_seconds_count")[""] == sum(before.values())
        # A crash loses nothing, and its successor adds to it.
        lines = len(app.lines)
        with suppress(httpx.HTTPError):
            app.post("/crash")
        app.wait_for_text('started worker 0 of the service "api"', after=lines)
        assert app.post("/", json=[HOSTILE_TEXTS[0]]).status_code == 204
        assert counted(tmp_path, "shop_orders_total") == {**before, HOSTILE_TEXTS[0]: 2}

        logged = [json.loads(line) for line in told(tmp_path, "logs", "--json", "--where", "logger=shop").splitlines()]
        assert {record["msg"] for record in logged} == set(HOSTILE_TEXTS)
        assert {(record["name"], record["level"]) for record in logged} == {("api", 40)}
        assert all(record["trace_id"] and record["order"] == record["msg"] for record in logged)

        with open_page(chromium, dashboard_url(app), "metrics") as page:
            # Alone on the page: further metrics above would move it out of sight, where charts are not drawn.
            page.get_by_role("searchbox", name="Filter metrics").fill("shop_orders_total")
            orders = page.get_by_role("region", name="shop_orders_total")
            orders.get_by_role("button", name="Show all").click()
            for text in HOSTILE_TEXTS:
                orders.get_by_text(f"text={text}").first.wait_for()
            page.goto(f"{page.url.partition('#')[0]}#/logs?trace={logged[0]['trace_id']}")
            page.locator(".virtual-row", has_text=logged[0]["msg"]).first.click()
            page.get_by_role("region", name="Record").get_by_text("shop", exact=True).wait_for()
            page.goto("about:blank")
        assert app.stop() == 0


def test_a_program_in_another_language(start: Start, tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("there is no node here")
    files: Mapping[str, Any] = {
        "watt.json": {
            "server": {"port": 0},
            "entrypoint": "parcels",
            "web": [{"id": "parcels", "path": "parcels"}],
        },
        "parcels/watt.json": {"module": "command", "command": {"run": "node server.js"}},
        "parcels/server.js": NODE,
    }
    with start(files, "dev") as app:
        assert app.get("/").text == "sent"
        assert 'shop_parcels_total{service="parcels",shop="north"} 7' in told(tmp_path, "metrics")
        (record,) = (json.loads(line) for line in told(tmp_path, "logs", "--json", "--trace", TRACE).splitlines())
        assert (record["name"], record["level"], record["msg"]) == ("parcels", 50, "a parcel is lost")
        assert app.stop() == 0


def test_too_many_series_are_left_out_and_told(start: Start, chromium: Any, tmp_path: Path) -> None:
    with start({**FILES, "api/app.py": "async def app(scope, receive, send): ..."}, "dev") as app:
        assert app.url
        env = json.loads(told(tmp_path, "env", "api", "--secrets", "--json"))
        name, _, value = unquote(env["OTEL_EXPORTER_OTLP_HEADERS"]).partition("=")
        points = [
            {"asInt": "1", "attributes": [{"key": "user", "value": {"stringValue": str(user)}}]}
            for user in range(MOST_NUMBERS + 5)
        ]
        metrics = [{"name": "visits", "gauge": {"dataPoints": points}}]
        document = {"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]}
        url = env["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/metrics"
        assert httpx.post(url, json=document, headers={name: value}, timeout=60).status_code == 200
        app.wait_for_text("metrics that services send are left out")
        assert "pywatt_otlp_refused_points_total 5" in told(tmp_path, "metrics")
        with open_page(chromium, dashboard_url(app), "metrics") as page:
            page.get_by_role("region", name="pywatt_otlp_refused_points_total").wait_for()
            page.get_by_text("more series than this page shows").wait_for()
            page.goto("about:blank")
        assert app.stop() == 0
