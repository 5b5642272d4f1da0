"""A request repeated before, during and after the replacement of all workers is written once."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from pathlib import Path

from harness.app import RunningApp, run_pywatt, write_files
from harness.apps import Files
from harness.records import create_topic, read_until

KEYS = 20
AFTER = 5
"""Repetitions of each key once the new workers serve."""


def publish(app: RunningApp, topic: str, key: str) -> int:
    # Each over a connection of its own, so that any worker gets it.
    headers = {"idempotency-key": key, "connection": "close"}
    return app.post(f"/topics/{topic}", content=key, headers=headers).status_code


def test_key_is_known_to_every_worker_through_a_reload(broker: str, topic: str, tmp_path: Path) -> None:
    create_topic(broker, topic, 1)

    def files(topic: str, **more: int) -> Files:
        schema = "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json"
        hooks = {"$schema": schema, "brokers": [broker], "publish": {"topics": [topic], **more}}
        service = {"id": "kafka-hooks", "path": "web/kafka-hooks", "workers": 2}
        return {"watt.json": {"web": [service]}, "web/kafka-hooks/platformatic.json": hooks}

    write_files(tmp_path, files(topic))
    with run_pywatt(tmp_path, "start") as app:
        statuses: Counter[int] = Counter()
        done = threading.Event()

        def repeat() -> None:
            while not done.is_set():
                statuses.update(publish(app, topic, str(number)) for number in range(KEYS))

        assert publish(app, topic, "0") == 202  # it runs
        repeating = threading.Thread(target=repeat)
        repeating.start()
        try:
            write_files(tmp_path, files(topic, bodyLimit=2_000_000))
            seen = len(app.lines)
            app.process.send_signal(signal.SIGHUP)
            app.wait_for_text("reloaded: ", after=seen)
        finally:
            done.set()
            repeating.join()
        statuses.update(publish(app, topic, str(number)) for number in range(KEYS) for _ in range(AFTER))
        assert publish(app, topic, "the last one") == 202
        assert app.stop() == 0
    assert set(statuses) == {202}, statuses
    records = read_until(broker, topic, lambda found: any(record.value == b"the last one" for record in found))
    written = Counter(record.value for record in records)
    assert written == {b"the last one": 1, **{b"%d" % number: 1 for number in range(KEYS)}}
