"""The OpenAPI documents of FastAPI services, composed by the gateway, and the page in a browser."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.app import PATIENCE, PYWATT, Start
from harness.browser import MISSING, browser

SERVICE = """
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    {field}: str


@app.get("/items/{{number}}")
def read(number: int, note: str = "none") -> Item:
    return Item({field}=f"{{number}} {{note}}")


@app.get("/hidden", include_in_schema=False)
def hidden() -> str:
    return "hidden"
"""
GATEWAY: dict[str, Any] = {
    "module": "gateway",
    "gateway": {
        "openapi": {"title": "Shop"},
        "applications": [
            {"id": "orders", "openapi": True, "proxy": {}},
            {"id": "people", "openapi": {"prefix": "/v1"}},
            {"id": "old", "openapi": {"url": "/items/1"}, "proxy": {}},
        ],
    },
}
FILES: dict[str, str | dict[str, Any]] = {
    "watt.json": {
        "entrypoint": "gw",
        "basePath": "/shop",
        "web": [{"id": name, "path": f"web/{name}"} for name in ("gw", "orders", "people", "old")],
        "server": {"port": "{PORT}"},
    },
    "web/gw/watt.json": GATEWAY,
    **{f"web/{name}/main.py": SERVICE.format(field=name) for name in ("orders", "people", "old")},
}


def test_documents_of_services_and_their_reload(start: Start, tmp_path: Path) -> None:
    with start(FILES, "start") as app:
        app.wait_for_text("the document of 'orders' has 1 operations")
        app.wait_for_text("the document of 'people' has 1 operations")
        problem = app.wait_for_text("the document of 'old' (http://old.plt.local/items/1) is left out")
        document = app.get("/shop/documentation/json").json()
        assert sorted(document["paths"]) == ["/orders/items/{number}", "/v1/items/{number}"]
        schemas = document["components"]["schemas"]
        assert {"orders_Item", "people_Item", "HTTPValidationError"} <= set(schemas)
        assert "its version is None" in problem["msg"]
        assert app.get("/shop/v1/items/3").json() == {"people": "3 none"}
        assert app.get("/shop/v1/hidden").status_code == 404  # reached by its document only
        assert app.get("/shop/orders/hidden").json() == "hidden"
        changed = SERVICE.format(field="name").replace('/hidden", include_in_schema=False', '/seen"')
        (tmp_path / "web/people/main.py").write_text(changed)
        seen = len(app.lines)
        subprocess.run([PYWATT, "restart", tmp_path, "people"], check=True, capture_output=True, timeout=PATIENCE)
        app.wait_for_text("the document of 'people' has 2 operations", after=seen)
        assert app.get("/shop/v1/seen").json() == "hidden"
        assert "/v1/seen" in app.get("/shop/documentation/yaml").text


@pytest.mark.skipif(bool(MISSING), reason=MISSING)
def test_the_page_works_offline_and_sends_requests(start: Start) -> None:
    with start(FILES, "start") as app, browser() as chromium:
        app.wait_for_text("the document of 'orders' has 1 operations")
        page = chromium.new_page()
        wrong: list[str] = []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if request.url.startswith(app.url) else wrong.append(request.url))
        page.goto(f"{app.url}/shop/documentation")
        page.get_by_text("/orders/items/{number}").click()
        assert page.title() == "Shop"
        page.get_by_label("number in path").fill("7")
        page.get_by_role("button", name="Send").click()
        page.get_by_text("200 OK").wait_for()
        assert '"orders": "7 none"' in page.locator("pre").last.inner_text()
        page.get_by_label("Filter").fill("v1")
        assert not page.get_by_text("/orders/items/{number}").is_visible()
        assert wrong == []


def test_the_page_behind_a_prefix_of_another_proxy(start: Start) -> None:
    with start(FILES, "start") as app:
        redirect = httpx.get(f"{app.url}/shop/documentation")
        assert (redirect.status_code, redirect.headers["location"]) == (302, "documentation/")
        policy = app.get("/shop/documentation/").headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
