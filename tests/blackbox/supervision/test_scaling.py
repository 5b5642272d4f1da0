"""A service whose number of workers follows the load."""

from __future__ import annotations

import re
import threading
from contextlib import suppress

import httpx
from harness.app import PATIENCE, Start
from harness.supervised import app


def test_a_worker_is_added_under_load_and_the_limits_of_all_hold(start: Start) -> None:
    workers = {
        "dynamic": True,
        "maximum": 3,
        "total": 2,
        "gracePeriod": 0,
        "cooldown": 0,
        "scaleOn": {"waiting": {"up": 1.5, "down": 1}},
    }
    with start(app(workers=workers, own={"type": "python"})) as running:
        url = running.url

        def wait() -> None:
            with suppress(httpx.HTTPError):  # the app may be gone, when the test has failed
                httpx.get(f"{url}/wait/16", timeout=PATIENCE)

        waiting = [threading.Thread(target=wait) for _ in range(4)]
        for thread in waiting:
            thread.start()
        scaled = running.wait_for_text('the service "api" goes from 1 to 2 workers')
        # The mean over ten seconds, of which the first may have been before the requests.
        assert re.search(r"waiting was [234]\S* over 10 s, and more than 1.5 is too much$", scaled["msg"])
        running.wait_for_text('started worker 1 of the service "api"')
        for thread in waiting:
            thread.join()
        assert running.stop() == 0
        assert "from 2 to 3" not in running.output
