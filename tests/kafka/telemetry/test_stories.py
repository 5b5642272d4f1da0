"""One trace from a request to the webhook of its redriven record: gateway, api, a program in JavaScript, publish,
record, webhook through a program in Go that fails and is tried again, dead letter, redrive, webhook.

PYWATT_STORIES sets how many stories there are, and adds the other combinations. PYWATT_OTEL_COLLECTOR names the program
of an OpenTelemetry collector (with the receiver `otlp` and the exporter `otlphttp`) that the spans go through.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from harness.app import PATIENCE, run_pywatt, write_files
from harness.apps import GATEWAY, Files
from harness.otlp_receiver import OtlpReceiver, ReceivedSpan, otlp_receiver

from pywatt_kafka import ensure_topics
from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_kafka.dlq.topic import open_dead_letter_topic

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed"),
]

STORIES = int(os.environ.get("PYWATT_STORIES", "20"))
IS_LONG = "PYWATT_STORIES" in os.environ
PROGRAMS = Path(__file__).parent / "programs"
BUILD_PATIENCE = 240.0
"""Seconds: Go compiles its standard library at the first build on a machine."""
COLLECTOR = os.environ.get("PYWATT_OTEL_COLLECTOR")
CLIENTS = 8

API = """
import httpx

client = httpx.AsyncClient()

async def app(scope, receive, send):
    assert scope["type"] == "http"
    number = scope["query_string"]
    response = await client.post("http://orders.plt.local/orders", content=number, timeout=60)
    await send({"type": "http.response.start", "status": response.status_code, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""
TARGET = """
from collections import Counter

seen = Counter()

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = (await receive())["body"]
    seen[body] += 1
    await send({"type": "http.response.start", "status": 500 if seen[body] < 3 else 200, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program in Go."""
    program = tmp_path_factory.mktemp("relay") / "relay"
    command = ["go", "build", "-o", str(program), "."]
    built = subprocess.run(command, cwd=PROGRAMS / "relay", timeout=BUILD_PATIENCE, check=False)
    assert built.returncode == 0
    return program


def app_files(broker: str, topic: str, engine: str, url: str, relay: Path, *, retry_topic: bool) -> Files:
    hooks: dict[str, Any] = {
        "type": "kafka-hooks",
        "brokers": [broker],
        "engine": engine,
        "publish": {"topics": [topic]},
        "topics": [
            {
                "topic": topic,
                "url": "http://relay.plt.local/hook",
                "retries": 2,
                "retryDelay": 250,
                "dlq": f"{topic}-dlq",
                **({"retry": {"topic": True}} if retry_topic else {}),
            }
        ],
        "consumer": {"groupId": f"{topic}-group"},
        "concurrency": 20,
    }
    return {
        "watt.json": {
            "entrypoint": "gateway",
            "server": {"port": 0},
            "web": [{"id": name, "path": name} for name in ("gateway", "api", "orders", "hooks", "relay", "target")],
            "telemetry": {"applicationName": "shop", "exporter": {"type": "otlp", "options": {"url": url}}},
        },
        "gateway/watt.json": {**GATEWAY, "gateway": {"applications": [{"id": "api", "proxy": {"prefix": "/api"}}]}},
        "api/app.py": API,
        "hooks/watt.json": hooks,
        "orders/orders.js": (PROGRAMS / "orders.js").read_text(),
        "orders/watt.json": {"type": "command", "command": "node orders.js"},
        "relay/watt.json": {"type": "command", "command": str(relay)},
        "target/app.py": TARGET,
    }


@contextmanager
def collector(folder: Path) -> Iterator[tuple[str, OtlpReceiver]]:
    """Run a receiver, behind a collector if there is one; yield the address for spans."""
    with otlp_receiver() as receiver:
        if COLLECTOR is None:
            yield receiver.url, receiver
            return
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        config = folder / "collector.yaml"
        config.write_text(
            f"receivers: {{otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:{port}'}}}}}}}}\n"
            f"exporters: {{otlphttp: {{traces_endpoint: '{receiver.url}'}}}}\n"
            "service:\n  telemetry: {metrics: {level: none}}\n"
            "  pipelines: {traces: {receivers: [otlp], exporters: [otlphttp]}}\n"
        )
        with (folder / "collector.log").open("w") as log:
            process = subprocess.Popen([COLLECTOR, "--config", config], stdout=log, stderr=log)
            try:
                wait_until_listening(process, port, folder / "collector.log")
                yield f"http://127.0.0.1:{port}/v1/traces", receiver
            finally:
                process.terminate()
                process.wait(PATIENCE)


def wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Wait until a collector accepts connections."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()


async def tell_stories(url: str) -> None:
    numbers = iter(range(STORIES))

    async def client() -> None:
        async with httpx.AsyncClient() as http:
            for number in numbers:
                response = await http.post(f"{url}/api/orders?{number}", timeout=PATIENCE)
                assert response.status_code == 202

    async with anyio.create_task_group() as clients:
        for _ in range(CLIENTS):
            clients.start_soon(client)


async def redrive_all(broker: str, topic: str) -> None:
    redriven = 0
    with anyio.fail_after(PATIENCE + STORIES / 20):
        while redriven < STORIES:
            async with open_dead_letter_topic(broker, f"{topic}-dlq") as dead_letters:
                redriven += (await dead_letters.redrive(Filter())).redriven


def expected(topic: str, *, retry_topic: bool) -> Counter[tuple[str, str, str]]:
    """Return how often each span comes in a story: service, kind, name."""
    once = [
        ("shop-gateway", "SERVER", "POST /api/*"),
        ("shop-gateway", "CLIENT", "POST"),
        ("shop-api", "SERVER", "POST"),
        ("shop-api", "CLIENT", "POST"),
        ("shop-orders", "SERVER", "POST"),
        ("shop-orders", "CLIENT", "POST"),
        ("shop-hooks", "SERVER", "POST /topics/:topic"),
        ("shop-hooks", "PRODUCER", f"send {topic}"),
        ("shop-hooks", "PRODUCER", f"send {topic}-dlq"),
    ]
    if retry_topic:
        once.append(("shop-hooks", "PRODUCER", f"send {topic}-retry"))
    attempts = [
        ("shop-hooks", "CONSUMER", f"process {topic}"),
        ("shop-hooks", "CLIENT", "POST"),
        ("shop-relay", "SERVER", "POST"),
        ("shop-relay", "CLIENT", "POST"),
        ("shop-target", "SERVER", "POST"),
    ]
    return Counter(once) + Counter(dict.fromkeys(attempts, 3))


DAILY = [("aiokafka", "", False), ("rdkafka", "messaging", False), ("aiokafka", "messaging/dup", True)]
FURTHER = [("aiokafka", "messaging", False), ("rdkafka", "", False), ("rdkafka", "messaging/dup", True)]


@pytest.mark.parametrize(("engine", "opt_in", "retry_topic"), DAILY + FURTHER if IS_LONG else DAILY)
@pytest.mark.timeout(BUILD_PATIENCE + 600 + STORIES)
async def test_a_story_is_one_trace(
    broker: str, topic: str, tmp_path: Path, relay: Path, engine: str, opt_in: str, retry_topic: bool
) -> None:
    await ensure_topics(broker, [topic, f"{topic}-dlq"])
    with collector(tmp_path) as (url, receiver):
        write_files(tmp_path, app_files(broker, topic, engine, url, relay, retry_topic=retry_topic))
        env = {"TOPIC": topic, "OTEL_SEMCONV_STABILITY_OPT_IN": opt_in, "OTEL_BSP_MAX_QUEUE_SIZE": "100000"}
        with run_pywatt(tmp_path, env=env) as app:
            address = await anyio.to_thread.run_sync(lambda: app.url)
            await tell_stories(address)
            await redrive_all(broker, topic)
            wanted = expected(topic, retry_topic=retry_topic)
            total = STORIES * wanted.total()
            await anyio.to_thread.run_sync(
                lambda: receiver.wait_for(lambda spans: len(spans) >= total, PATIENCE + STORIES / 20)
            )
            assert await anyio.to_thread.run_sync(app.stop) == 0
    traces: dict[str, list[ReceivedSpan]] = {}
    for span in receiver.spans:
        traces.setdefault(span.trace_id, []).append(span)
    assert len(traces) == STORIES
    for spans in traces.values():
        check_story(spans, wanted, topic)
    (record,) = {
        tuple(sorted(name for name in span.attributes if name.startswith(("messaging.", "kafka."))))
        for span in receiver.spans
        if span.kind == "CONSUMER"
    }
    assert ("messaging.system.name" in record, "messaging.system" in record) == {
        "": (False, True),
        "messaging": (True, False),
        "messaging/dup": (True, True),
    }[opt_in]
    print(f"{len(traces)} stories, {len(receiver.spans)} spans, none broken")


def check_story(spans: list[ReceivedSpan], wanted: Counter[tuple[str, str, str]], topic: str) -> None:
    """Check that a story's spans are those that are wanted, and linked whole."""
    assert Counter((span.service, span.kind, span.name) for span in spans) == wanted
    by_id = {span.span_id: span for span in spans}
    assert len(by_id) == len(spans)
    parents = Counter(
        (span.kind, by_id[span.parent_id].kind if span.parent_id else "", span.service[5:]) for span in spans
    )
    (send,) = [span for span in spans if span.name == f"send {topic}"]
    of_the_record = [span for span in spans if span.kind in ("CONSUMER", "PRODUCER") and span is not send]
    assert {span.parent_id for span in of_the_record} == {send.span_id}
    assert all(span.links == ((send.trace_id, send.span_id),) for span in spans if span.kind == "CONSUMER")
    assert parents["SERVER", "", "gateway"] == parents["PRODUCER", "SERVER", "hooks"] == 1
    assert parents["SERVER", "CLIENT", "hooks"] == parents["SERVER", "CLIENT", "orders"] == 1
    assert parents["SERVER", "CLIENT", "target"] == parents["CLIENT", "CONSUMER", "hooks"] == 3
    assert parents["SERVER", "CLIENT", "relay"] == parents["CLIENT", "SERVER", "relay"] == 3
    assert sorted(span.is_error for span in spans if span.kind == "CONSUMER") == [False, True, True]
