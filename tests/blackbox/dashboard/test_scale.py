"""Many services and many series: each view is there at once, its frames are short, and the page stays small.

PYWATT_DASHBOARD_SERVICES=100 is the long form.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest
from harness.app import Start
from harness.browser import begin_frames, dashboard_url, longest_frame, open_page

pytestmark = pytest.mark.blackbox

SERVICES = int(os.environ.get("PYWATT_DASHBOARD_SERVICES", "8"))
LONGEST_TASK_MS = 100
MOST_HEAP = 64e6
MOST_NODES = 20_000
LOOKS = 3
APP = "async def app(scope, receive, send): ..."
IDS = [f"s{number:03}" for number in range(SERVICES)]
FILES: Mapping[str, Any] = {
    "watt.json": {
        "server": {"port": 0},
        "entrypoint": IDS[0],
        "metrics": {"port": 0},
        "web": [{"id": service, "path": service} for service in IDS],
    },
    **{f"{service}/app.py": APP for service in IDS},
}
VIEWS = {
    "services": f"[data-service={IDS[-1]}]",
    "services?tab=graph": f"[data-node='service:{IDS[-1]}']",
    "metrics": ".chart",
    "config": "tbody tr",
    "logs": ".virtual-row",
    "traces": ".empty",
    "profiles": ".empty",
}


@pytest.mark.timeout(60 + 5 * SERVICES)
def test_views_of_many_services(start: Start, chromium: Any) -> None:
    with start(FILES, "dev") as app:
        assert app.url
        with open_page(chromium, dashboard_url(app)) as page:
            origin = page.url.partition("#")[0]
            begin_frames(chromium, page)
            for _ in range(LOOKS):
                for view, landmark in VIEWS.items():
                    page.goto(f"{origin}#/{view}")
                    page.locator(landmark).first.wait_for(state="attached")
                    page.mouse.move(600, 500)
                    page.mouse.wheel(0, 2000)
            assert longest_frame(chromium) <= LONGEST_TASK_MS
            session = page.context.new_cdp_session(page)
            session.send("HeapProfiler.collectGarbage")
            session.send("Performance.enable")
            found = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
            assert found["JSHeapUsedSize"] < MOST_HEAP
            assert found["Nodes"] < MOST_NODES
            page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0
