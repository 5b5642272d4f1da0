"""What a dashboard has seen becomes a file, by the button and by the command, and is shown later without the app."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness.app import PYWATT, Start, clean_environment
from harness.browser import dashboard_url, open_page
from harness.hostile_texts import HOSTILE_TEXTS

pytestmark = pytest.mark.blackbox

API = """
import json, logging, os, urllib.parse, urllib.request

TRACE = "0af7651916cd43dd8448eb211c80319c"
log = logging.getLogger("shop")

def send(path, document):
    name, _, value = urllib.parse.unquote(os.environ["OTEL_EXPORTER_OTLP_HEADERS"]).partition("=")
    url = os.environ["OTEL_EXPORTER_OTLP_ENDPOINT"] + "/v1/" + path
    headers = {"content-type": "application/json", name: value}
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(document).encode(), headers)).read()

async def app(scope, receive, send_):
    texts = json.loads((await receive())["body"])
    for text in texts:
        log.warning(text)
    spans = [{"traceId": TRACE, "spanId": f"{number:016x}", "name": text, "startTimeUnixNano": "100",
        "endTimeUnixNano": "200", "attributes": [{"key": text, "value": {"stringValue": text}}]}
        for number, text in enumerate(texts, 1)]
    send("traces", {"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})
    points = [{"asInt": "1", "attributes": [{"key": "text", "value": {"stringValue": text}}]} for text in texts]
    metric = {"name": "shop.orders", "description": texts[0], "gauge": {"dataPoints": points}}
    send("metrics", {"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]})
    await send_({"type": "http.response.start", "status": 204, "headers": []})
    await send_({"type": "http.response.body", "body": b""})
"""
ENV = {"SHOP_PASSWORD": "swordfish", "NOTE": HOSTILE_TEXTS[0]}
FILES: Mapping[str, Any] = {
    "watt.json": {"server": {"port": 0}, "entrypoint": "api", "web": [{"id": "api", "path": "api", "env": ENV}]},
    "api/app.py": API,
}


@contextmanager
def shown(file: Path) -> Iterator[str]:
    """Run `pywatt dashboard import`; yield the URL that it prints."""
    command = [str(PYWATT), "dashboard", "import", str(file), "--no-open"]
    environment = clean_environment()
    with subprocess.Popen(command, cwd=file.parent, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip()
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


def test_from_an_app_to_a_file_and_back(start: Start, chromium: Any, tmp_path: Path) -> None:
    file, saved = tmp_path / "shop.pywatt", tmp_path / "saved.pywatt"
    with start(FILES, "dev") as app:
        assert app.post("/", json=list(HOSTILE_TEXTS)).status_code == 204
        done = subprocess.run(
            [PYWATT, "dashboard", "export", file, "--json"],
            cwd=tmp_path,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["bytes"] == file.stat().st_size
        assert file.stat().st_mode & 0o077 == 0
        with open_page(chromium, dashboard_url(app)) as page:
            with page.expect_download() as download:
                page.get_by_role("button", name="Export").click()
            download.value.save_as(saved)
            page.get_by_text("pywatt dashboard import").wait_for()
            page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0
    for each in (file, saved):
        with shown(each) as url, open_page(chromium, url) as page:
            origin = url.partition("#")[0]
            page.get_by_role("note").filter(has_text="recording of").wait_for()
            page.locator("[data-service=api]").wait_for()
            assert page.get_by_role("button", name="Restart").count() == 0
            assert page.get_by_role("link", name="Kafka").count() == 0
            page.goto(f"{origin}#/services?tab=graph")
            page.locator("[data-node='service:api']").wait_for()
            page.goto(f"{origin}#/logs")
            for text in HOSTILE_TEXTS:
                page.locator(".virtual-row").filter(has_text=text).first.wait_for()
            page.goto(f"{origin}#/traces?trace=0af7651916cd43dd8448eb211c80319c")
            page.locator(".waterfall button", has_text=HOSTILE_TEXTS[1]).click()
            page.get_by_role("region", name="Span").get_by_text(HOSTILE_TEXTS[1]).first.wait_for()
            page.goto(f"{origin}#/metrics")
            orders = page.get_by_role("region", name="shop_orders")
            orders.get_by_text(HOSTILE_TEXTS[0], exact=True).wait_for()
            page.goto(f"{origin}#/config?service=api")
            environment = page.get_by_role("region", name="Environment")
            environment.get_by_text(HOSTILE_TEXTS[0]).wait_for()
            assert environment.get_by_text("SHOP_PASSWORD").count() == 1
            assert "swordfish" not in page.content()


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.pywatt"
    file.write_bytes(b"<script>alert(1)</script>")
    for name, said in ((file, "is no recording of pywatt"), (tmp_path / "gone", "it is no file")):
        done = subprocess.run(
            [PYWATT, "dashboard", "import", name],
            cwd=tmp_path,
            env=clean_environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert said in done.stderr
