"""Records survive the death of the kafka-hooks worker and of the supervisor: each is delivered or in the DLQ."""

from __future__ import annotations

import base64
import json
import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.app import RunningApp, run_pywatt, write_files
from harness.apps import Files
from harness.records import configure_group, create_topic, publish, read_until

RECORDS = 5000
POISON = range(7, RECORDS, 500)
"""Records that the target always rejects."""
KILLS_AT = (500, 1500, 2500)
SUPERVISOR_KILL_AT = 3500
PARTITIONS = 4

API = """
import os
from pathlib import Path

FILE = Path(os.environ["SEEN_FILE"])
FILE.touch()
seen = set(FILE.read_text().split())
log = FILE.open("a")

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    message = await receive()
    number = message["body"].decode()
    if int(number) in POISON:
        status = 500
    else:
        status = 200
        log.write(number + "\\n")
        log.flush()
        if number not in seen:
            seen.add(number)
            if len(seen) % 500 == 0 or len(seen) == ALL:
                print(f"seen {len(seen)}", flush=True)
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""


LOCK = 3000  # milliseconds for which a share group's member holds a record
SESSION = 6000  # milliseconds until it is known to be killed


def app_files(bootstrap: str, topic: str, mode: str) -> Files:
    hooks: dict[str, Any] = {
        "$schema": "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json",
        "brokers": [bootstrap],
        "topics": [
            {
                "topic": topic,
                "url": "http://api.plt.local/records",
                "retries": 2,
                "retryDelay": 250,
                "dlq": f"{topic}-dlq",
            }
        ],
        "consumer": {"groupId": f"{topic}-group", "mode": mode},
        "concurrency": 20,
    }
    return {
        "watt.json": {
            "web": [{"id": "kafka-hooks", "path": "web/kafka-hooks"}, {"id": "api", "path": "web/api"}],
        },
        "web/kafka-hooks/platformatic.json": hooks,
        "web/api/app.py": f"POISON = set(range({POISON.start}, {POISON.stop}, {POISON.step}))\n"
        f"ALL = {RECORDS - len(POISON)}\n{API}",
    }


def wait_for_seen(app: RunningApp, count: int) -> None:
    app.wait_for(lambda line: line["msg"].startswith("seen ") and int(line["msg"].split()[1]) >= count)


def kill_while_it_runs(
    tmp_path: Path, bootstrap: str, topic: str, mode: str, kills: Sequence[int]
) -> tuple[set[int], set[int]]:
    """Kill workers and the supervisor; return the numbers that were delivered, and those of the dead letters."""
    create_topic(bootstrap, topic, PARTITIONS)
    write_files(tmp_path, app_files(bootstrap, topic, mode))
    seen_file = tmp_path / "seen"
    env = {"SEEN_FILE": str(seen_file)}
    publish(bootstrap, topic, ((str(n % 97).encode(), str(n).encode()) for n in range(RECORDS)))

    with run_pywatt(tmp_path, env=env) as app:
        for count in kills:
            wait_for_seen(app, count)
            os.kill(app.worker_pid("kafka-hooks"), signal.SIGKILL)
        wait_for_seen(app, SUPERVISOR_KILL_AT)
        app.stop(signal.SIGKILL)
    with run_pywatt(tmp_path, env=env) as app:
        wait_for_seen(app, RECORDS - len(POISON))
        dead = read_until(bootstrap, f"{topic}-dlq", lambda records: {value_of(r) for r in records} >= set(POISON))
        assert app.stop() == 0
    return {int(line) for line in seen_file.read_text().split()}, {value_of(record) for record in dead}


def test_every_record_is_delivered_or_in_the_dlq_whatever_dies(broker: str, topic: str, tmp_path: Path) -> None:
    delivered, dead = kill_while_it_runs(tmp_path, broker, topic, "committed", KILLS_AT)
    assert delivered | dead == set(range(RECORDS))
    assert dead == set(POISON)


def test_every_record_of_a_share_group_is_too(broker_4_2: str, topic: str, tmp_path: Path) -> None:
    configure_group(
        broker_4_2,
        f"{topic}-group",
        {"share.record.lock.duration.ms": str(LOCK), "share.session.timeout.ms": str(SESSION)},
    )
    delivered, dead = kill_while_it_runs(
        tmp_path, broker_4_2, topic, "share", ()
    )  # with the supervisor, its workers are killed
    assert delivered | dead == set(range(RECORDS))
    assert dead == set(POISON)


def value_of(record: Any) -> int:
    """Return the number that a DLQ record carries."""
    return int(base64.b64decode(json.loads(record.value)["value"]))
