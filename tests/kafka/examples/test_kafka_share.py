"""examples/kafka-share as a user runs it: two workers of a share group, jobs that succeed, and one that never does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from harness.app import run_pywatt
from harness.records import read_count

EXAMPLE = Path(__file__).parents[3] / "examples" / "kafka-share"
JOBS = 10


def test_jobs_are_done_once_or_become_dead_letters(broker_4_2: str, tmp_path: Path) -> None:
    app_folder = Path(shutil.copytree(EXAMPLE, tmp_path / "app"))
    with run_pywatt(app_folder, env={"KAFKA_BROKERS": broker_4_2, "PORT": "0"}) as app:
        for job in [*(f"resize-{number}" for number in range(JOBS)), "impossible"]:
            assert app.post("/kafka-hooks/topics/jobs", content=job).status_code == 202
        (letter,) = read_count(broker_4_2, "jobs-dlq", 1)
        assert json.loads(letter.value or b"")["retries"] == 3
        for number in range(JOBS):
            app.wait_for_text(f"job resize-{number}: 200")
        assert app.stop() == 0
