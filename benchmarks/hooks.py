"""An app of one kafka-hooks service, for measurements of it alone."""

from __future__ import annotations

import json
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import apps
from benchmarks.apps import App

SERVICE = "hooks"
WEIGH_EVERY = 0.25  # seconds


@contextmanager
def running(broker: str, group: str, entries: Sequence[Mapping[str, Any]], **settings: Any) -> Iterator[App]:
    """Run it with these entries of `topics`; `settings`: further keys of its file."""
    service = {
        "type": "kafka-hooks",
        "brokers": [broker],
        "topics": list(entries),
        "consumer": {"groupId": group},
        "operations": {"public": True},
        **settings,
    }
    root = {
        "web": [{"id": SERVICE, "path": SERVICE}],
        "entrypoint": SERVICE,
        "logger": {"level": "error"},
        "server": {"hostname": "127.0.0.1", "port": "{PORT}"},
    }
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / SERVICE).mkdir()
        (folder / "watt.json").write_text(json.dumps(root))
        (folder / SERVICE / "watt.json").write_text(json.dumps(service))
        with apps.running([apps.PYWATT, "start"], folder) as app:
            app.wait_for("/metrics")
            yield app


def worker(app: App) -> int:
    """Return the pid of the service's worker: the process that works in its folder."""
    for pid in app.tree():
        try:
            if Path(f"/proc/{pid}/cwd").readlink().name == SERVICE:
                return pid
        except OSError:  # ended meanwhile
            continue
    raise apps.AppError("no process works in the service's folder\n" + "".join(app.output))


@contextmanager
def weighing(pid: int) -> Iterator[list[float]]:
    """Note the memory (PSS, MB) of a process again and again."""
    found: list[float] = []
    stop = threading.Event()

    def weigh() -> None:
        while not stop.is_set():
            found.append(apps.proportional_memory([pid]))
            stop.wait(WEIGH_EVERY)

    thread = threading.Thread(target=weigh)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()
