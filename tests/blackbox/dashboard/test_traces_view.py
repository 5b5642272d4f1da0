"""Services in any language send their spans without configuration, and the page shows them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from harness.app import Start
from harness.browser import dashboard_url, open_page
from harness.hostile_texts import HOSTILE_TEXTS

pytestmark = pytest.mark.blackbox

API = """
import json, os, time, urllib.request

TRACE = "0af7651916cd43dd8448eb211c80319c"

def send(spans):
    document = {"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{"spans": spans}],
    }]}
    name, _, value = urllib.parse.unquote(os.environ["OTEL_EXPORTER_OTLP_HEADERS"]).partition("=")
    headers = {"content-type": "application/json", name: value}
    url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/traces"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(document).encode(), headers)).read()

async def app(scope, receive, send_):
    texts = json.loads((await receive())["body"])
    second = 10**9
    spans = [{"traceId": TRACE, "spanId": f"{number:016x}", "parentSpanId": "" if number == 1 else f"{1:016x}",
        "name": text, "kind": 2, "startTimeUnixNano": str(second * (100 + number)),
        "endTimeUnixNano": str(second * (101 + number)), "status": {"code": 2 if number == 2 else 1},
        "attributes": [{"key": text, "value": {"stringValue": text}}]} for number, text in enumerate(texts, 1)]
    send(spans)
    now = time.time_ns() // 10**6
    print(json.dumps({"level": 30, "time": now, "msg": "traced", "trace_id": TRACE}), flush=True)
    await send_({"type": "http.response.start", "status": 204, "headers": []})
    await send_({"type": "http.response.body", "body": b""})
"""
FILES: Mapping[str, Any] = {
    "watt.json": {"server": {"port": 0}, "entrypoint": "api", "web": [{"id": "api", "path": "api"}]},
    "api/app.py": API.replace("import json", "import urllib.parse, json", 1),
}


def test_from_a_log_line_to_its_trace_and_back(start: Start, chromium: Any) -> None:
    with start(FILES, "dev") as app, open_page(chromium, dashboard_url(app)) as page:
        assert httpx.post(app.url, json=list(HOSTILE_TEXTS), timeout=30).status_code == 204
        page.goto(page.url.partition("#")[0] + "#/traces")
        page.get_by_role("button", name="Failing").click()
        page.get_by_role("link", name=HOSTILE_TEXTS[0]).click()
        page.get_by_text(f"{len(HOSTILE_TEXTS)} spans").wait_for()
        page.locator(".waterfall button", has_text=HOSTILE_TEXTS[1]).click()
        page.get_by_role("region", name="Span").get_by_text(HOSTILE_TEXTS[1]).first.wait_for()
        page.get_by_role("link", name="Its log records").click()
        page.locator(".virtual-row", has_text="traced").click()
        page.get_by_role("link", name="0af7651916cd43dd8448eb211c80319c").click()
        page.get_by_text(f"{len(HOSTILE_TEXTS)} spans").wait_for()
        origin = dashboard_url(app).partition("#")[0]
        for bearer in ("", "Bearer wrong"):
            refused = httpx.post(f"{origin}v1/traces", json={}, headers={"Authorization": bearer})
            assert refused.status_code == 401
        page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0
