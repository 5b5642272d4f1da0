"""Echoes over WebSockets: python -m benchmarks.gateway.echo_load URL CONNECTIONS SECONDS

Prints echoes per second, p50 and p99 of the time of a batch in milliseconds, and the failed connections. Each
connection sends a batch of messages, awaits their echoes, and sends the next.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from urllib.parse import urlsplit

BATCH = 16
MESSAGE = b"x" * 64
MASKED = b"\x82" + bytes([0x80 | len(MESSAGE)]) + bytes(4) + MESSAGE
"""A binary frame; a masking key of zeros leaves the message as it is."""
ECHO = 2 + len(MESSAGE)


async def _connection(url: str, deadline: float, times: list[float]) -> None:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(
        (
            f"GET {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        ).encode()
    )
    head = await reader.readuntil(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise ConnectionError(head.decode("latin-1"))
    batch = MASKED * BATCH
    while (begun := time.perf_counter()) < deadline:
        writer.write(batch)
        await reader.readexactly(ECHO * BATCH)
        times.append(time.perf_counter() - begun)
    writer.close()


async def _main(url: str, connections: int, seconds: float) -> None:
    times: list[float] = []
    begun = time.perf_counter()
    results = await asyncio.gather(
        *(_connection(url, begun + seconds, times) for _ in range(connections)), return_exceptions=True
    )
    failed = sum(isinstance(result, BaseException) for result in results)
    quantiles = statistics.quantiles(times, n=100) if len(times) > 1 else [0.0] * 99
    rate = len(times) * BATCH / (time.perf_counter() - begun)
    print(rate, quantiles[49] * 1e3, quantiles[98] * 1e3, failed)


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))
