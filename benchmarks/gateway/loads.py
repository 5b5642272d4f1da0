"""Load for one address: requests by wrk and h2load, WebSocket echoes, idle connections."""

from __future__ import annotations

import contextlib
import http.client
import re
import resource
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.load import Load, milliseconds

UPLOAD = Path(__file__).with_name("upload.lua")
STREAMS = 8
"""Requests in flight on each connection of HTTP/2."""


def http2_requests(url: str, *, connections: int, seconds: int) -> Load:
    """Send requests over HTTP/2, each connection with `STREAMS` of them in flight."""
    if shutil.which("h2load") is None:
        sys.exit("h2load is not installed (Debian: apt install nghttp2-client)")
    command = ["h2load", "-c", str(connections), "-m", str(STREAMS), "-D", str(seconds), "--warm-up-time=1", url]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate = re.search(r"([\d.]+) req/s", output)
    counts = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", output)
    good = re.search(r"status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx", output)
    times = re.search(r"time for request:\s+\S+\s+([\d.]+)([a-z]+)\s+([\d.]+)([a-z]+)", output)
    if rate is None or counts is None or good is None or times is None:
        sys.exit(f"h2load said what this script does not understand:\n{output}")
    return Load(
        rate=float(rate[1]),
        p50=milliseconds(times[3], times[4]),
        p99=milliseconds(times[1], times[2]),  # the longest: h2load prints no quantiles
        failed=sum(map(int, counts.groups())) + int(good[3]) + int(good[4]),
    )


def echoes(url: str, *, connections: int, seconds: int) -> Load:
    """Send messages over WebSockets and await their echoes, from a process of its own."""
    command = [sys.executable, "-m", "benchmarks.gateway.echo_load", url, str(connections), str(seconds)]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rate, p50, p99, failed = output.split()
    return Load(rate=float(rate), p50=float(p50), p99=float(p99), failed=int(failed))


@contextlib.contextmanager
def idle_connections(url: str, count: int) -> Iterator[None]:
    """Hold connections open that have each served one request."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    parts = urlsplit(url)
    assert parts.hostname is not None
    request = f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\n\r\n".encode()
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            client = stack.enter_context(socket.create_connection((parts.hostname, parts.port or 80)))
            client.sendall(request)
            answer = http.client.HTTPResponse(client)
            answer.begin()
            answer.read()
            if answer.status != http.HTTPStatus.OK:
                sys.exit(f"{url} answered {answer.status} to an idle connection")
        yield
