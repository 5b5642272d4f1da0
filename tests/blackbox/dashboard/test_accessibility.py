"""All views, wide and narrow, light and dark: axe-core finds no serious fault, and nothing overflows."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from typing import Any

import pytest
from harness.app import Start
from harness.browser import dashboard_url, open_page

pytestmark = pytest.mark.blackbox

AXE = "axe-core@4.10.3"
NPM_SECONDS = 60
FILES: Mapping[str, Any] = {
    "watt.json": {
        "server": {"port": 0},
        "entrypoint": "hooks",
        "web": [{"id": "hooks", "path": "hooks"}, {"id": "api", "path": "api"}],
    },
    "hooks/watt.json": {
        "module": "@platformatic/kafka-hooks",
        "kafka": {
            "brokers": ["embedded"],
            "topics": [{"topic": "orders", "url": "http://api.plt.local/", "dlq": "orders-dlq"}],
            "consumer": {"groupId": "shop"},
        },
    },
    "api/app.py": "async def app(scope, receive, send):\n    raise ValueError('broken')\n",
}
VIEWS = {
    "services": "[data-service=api]",
    "services?tab=graph": "[data-node='service:api']",
    "logs": ".virtual-row",
    "traces": ".empty, tbody tr",
    "kafka": "tbody tr",
    "kafka?tab=topics&topic=orders": ".empty",
    "kafka?tab=groups": ".group",
    "kafka?tab=webhooks": "tbody tr",
    "kafka?tab=dlq": "tbody tr",
    "metrics": ".chart",
    "profiles": ".empty",
    "config": "tbody tr",
    "config?service=api": "section[aria-label=Environment] tbody tr",
}


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The source of axe-core from npm's registry; without that the test is skipped."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("axe")
    command = ["npm", "pack", "--silent", "--prefer-offline", AXE]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=NPM_SECONDS, check=False)
    if done.returncode:
        pytest.skip(f"axe-core cannot be fetched: {done.stderr[-200:]}")
    with tarfile.open(folder / done.stdout.strip()) as archive:
        found = archive.extractfile("package/axe.min.js")
        assert found is not None
        return found.read().decode()


def faults(page: Any) -> list[str]:
    """Return the serious faults of a page."""
    result = page.evaluate("async () => (await axe.run(document, {resultTypes: ['violations']})).violations")
    return [
        f"{each['id']}: {node['html'][:150]}"
        for each in result
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def test_views_have_no_serious_fault(start: Start, chromium: Any, axe: str) -> None:
    with start(FILES, "dev") as app:
        url = dashboard_url(app)
        for width, scheme in ((1280, "light"), (360, "dark")):
            with open_page(chromium, url, color_scheme=scheme, reduced_motion="reduce") as page:
                page.set_viewport_size({"width": width, "height": 800})
                page.evaluate(axe)
                for view, landmark in VIEWS.items():
                    page.goto(f"{url.partition('#')[0]}#/{view}")
                    page.locator(landmark).first.wait_for()
                    assert faults(page) == [], f"{view} at {width} px, {scheme}"
                    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} at {width} px"
                page.goto(f"{url.partition('#')[0]}#/services")
                page.get_by_role("button", name="Stop api").click()
                page.locator("dialog[open]").wait_for()
                assert faults(page) == []
        assert app.stop() == 0
