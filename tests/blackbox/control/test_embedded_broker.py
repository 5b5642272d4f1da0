"""An app with the embedded broker: its group hands over partitions and ends without a session timeout."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from harness.app import run_pywatt, write_files
from harness.terminal import command

PROMPT = 6.0  # seconds; a session of ten ends a second later than a group with a lost member goes on
API = """
import logging

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = (await receive())["body"]
    logging.getLogger("api").warning("got %s", body.decode())
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})
"""
JOB = """
import asyncio

async def main():
    await asyncio.Event().wait()
"""
FILES: dict[str, str | dict[str, Any]] = {
    "watt.json": {
        "entrypoint": "gateway",
        "web": [{"id": each, "path": each} for each in ("gateway", "hooks", "api", "job")],
        "server": {"port": "{PORT}"},
    },
    "gateway/platformatic.json": {
        "type": "gateway",
        "gateway": {"applications": [{"id": "hooks", "proxy": {"prefix": "/"}}, {"id": "api"}, {"id": "job"}]},
    },
    "hooks/platformatic.json": {
        "type": "kafka-hooks",
        "brokers": ["{KAFKA_BROKERS}"],
        "topics": [{"topic": "orders", "url": "http://api.plt.local/"}],
        "consumer": {"groupId": "hooks"},
    },
    "api/app.py": API,
    "job/main.py": JOB,
    "job/platformatic.json": {"type": "python", "python": {"module": "main:main"}},
}


@pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])
def test_restart_and_stop_wait_for_no_session(tmp_path: Path, engine: str) -> None:
    hooks = {**FILES["hooks/platformatic.json"], "engine": engine}  # type: ignore[dict-item]
    folder = write_files(tmp_path, {**FILES, "hooks/platformatic.json": hooks})
    with run_pywatt(folder, env={"PORT": "0", "KAFKA_BROKERS": "embedded"}) as app:
        assert app.post("/topics/orders", content=b"first").status_code == 202
        app.wait_for_text("got first")
        assert command(folder, "restart", "hooks").status == 0
        begun = time.monotonic()
        assert app.post("/topics/orders", content=b"second").status_code == 202
        app.wait_for_text("got second")
        assert time.monotonic() - begun < PROMPT
        assert app.stop() == 0
    messages = [str(line["msg"]) for line in app.lines]
    assert not [message for message in messages if "session" in message]
    served = {message for message in messages if "is served at" in message}
    assert served == {"hooks is served at /", "api is served at /api"}
