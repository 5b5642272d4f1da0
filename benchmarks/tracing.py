"""CPU per request with tracing off, on but with no request sampled, and with spans of one in a hundred, in turns.

python -m benchmarks.tracing [--turns N] [--what service proxy publish webhooks] [--before CHECKOUT]

CHECKOUT is an earlier checkout, whose sources run with the packages of this one. The CPU is that of the app's whole
process tree: a busy machine changes the rate, but hardly the CPU that a request costs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from benchmarks import apps, publish, topic, turns
from benchmarks.deliveries import cpu_per_delivery
from benchmarks.load import requests
from benchmarks.turns import Runner
from pywatt_kafka.brokers.apache import RealBroker

TURNS = 24
CONNECTIONS = 16
RATIOS = {"sampled 0 %": "0", "sampled 1 %": "0.01"}
WHAT = ("service", "proxy", "publish", "webhooks")
FILES = {"service": "watt.bare.json", "proxy": "watt.json", "publish": "watt.publish.json"}
PATHS = {"service": "/hello", "proxy": "/api/hello", "publish": "/api/hello"}


@contextmanager
def measured(what: str, checkout: Path, env: Mapping[str, str], url_path: str) -> Iterator[Callable[[], float]]:
    """Run the app; yield what measures one turn: microseconds of CPU per request."""
    variables = {**_sources(checkout), **env}
    with apps.running([apps.PYWATT, "start", "-c", FILES[what]], checkout / "benchmarks/app", variables) as app:
        app.wait_for(PATHS[what])
        runner = Runner(app=app, count=lambda: 1)
        script = publish.BODY if what == "publish" else None
        send = partial(requests, app.url + url_path, connections=CONNECTIONS, seconds=1, script=script)

        def turn() -> float:
            runner.go_on()
            before = app.cpu_seconds()
            rate = send().rate
            used = app.cpu_seconds() - before
            runner.stop()
            return used * 1e6 / rate

        for _ in range(4):
            turn()
        try:
            yield turn
        finally:
            runner.go_on()


def _sources(checkout: Path) -> dict[str, str]:
    folders = [str(checkout / name) for name in ("runtime", "services", "kafka", "schemas")]
    return {"PYTHONPATH": os.pathsep.join(folders)}


@contextmanager
def receiver() -> Iterator[str]:
    """Take spans and drop them."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/traces"
    finally:
        server.shutdown()
        server.server_close()


def compare(what: str, count: int, before: Path | None, broker: str) -> None:
    """Measure all in turns and print the ratios."""
    with ExitStack() as stack:
        path, env = PATHS.get(what, ""), {}
        if what == "publish":
            name = asyncio.run(topic.create(broker))
            path, env = f"/topics/{name}", {"KAFKA_BROKERS": broker, "TOPIC": name}
        tracing = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": stack.enter_context(receiver()),
            "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        }
        variants = {"off": (apps.ROOT, env)}
        for label, ratio in RATIOS.items():
            variants[label] = (apps.ROOT, {**env, **tracing, "OTEL_TRACES_SAMPLER_ARG": ratio})
        if before is not None:
            variants = {"before": (before, env), **variants}
        measures: dict[str, Callable[[], float]] = {}
        for label, (folder, variables) in variants.items():
            if what == "webhooks":
                app_env = {**_sources(folder), **variables}
                measure = cpu_per_delivery(folder / "benchmarks/app", app_env, broker, count)
            else:
                measure = measured(what, folder, variables, path)
            measures[label] = stack.enter_context(measure)
        values: dict[str, list[float]] = {label: [] for label in measures}
        for turn in range(count):
            order = list(measures) if turn % 2 else list(reversed(measures))
            for label in order:
                values[label].append(measures[label]())
    base = next(iter(values))
    for label, own in values.items():
        ratios = [one / other for one, other in zip(own, values[base], strict=True)]
        print(
            f"{what:8} {label:12} {turns.spread(own, '6.1f')} us   / {base} {turns.spread(ratios, '.3f')}", flush=True
        )


def main() -> None:
    """Compare what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--what", nargs="+", choices=WHAT, default=WHAT)
    parser.add_argument("--before", type=Path)
    arguments = parser.parse_args()
    with ExitStack() as stack:
        broker = stack.enter_context(RealBroker()).address if {"publish", "webhooks"} & {*arguments.what} else ""
        for what in arguments.what:
            before = arguments.before.absolute() if arguments.before else None
            compare(what, arguments.turns, before, broker)


if __name__ == "__main__":
    main()
