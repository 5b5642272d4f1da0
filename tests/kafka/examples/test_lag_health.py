"""examples/kafka-client/lag-health: the document's block of the health plugin in an app, and the answer of /health."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

from harness.app import run_pywatt
from harness.records import publish

EXAMPLE = Path(__file__).parents[3] / "examples" / "kafka-client" / "lag-health"
LIMIT = 60.0  # seconds


def test_health_answers_in_the_form_of_the_document(broker: str, tmp_path: Path) -> None:
    app_folder = Path(shutil.copytree(EXAMPLE, tmp_path / "app"))
    config = app_folder / "watt.json"
    config.write_text(config.read_text().replace("30000", "1000"))
    publish(broker, "my-topic", [(b"k", b"v")] * 5)
    with run_pywatt(app_folder, env={"KAFKA_BROKERS": broker, "PORT": "0"}) as app:
        end = time.monotonic() + LIMIT
        while not (answer := app.get("/health")).json().get("lag"):
            assert time.monotonic() < end, answer.text
        assert answer.status_code == 200
        assert answer.json().keys() == {"status", "lag"}
        assert answer.json()["status"] == "healthy"
        assert set(answer.json()["lag"]["my-topic"]) == {"partition-0"}
        assert app.get("/").json() == {"message": "hello"}
        assert app.stop() == 0
