"""The status of one GET."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from pywatt.errors import BadResponse, ConnectionLost
from pywatt.http.client.address import UnixAddress
from pywatt.http.client.get_status import get_status

pytestmark = pytest.mark.anyio
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[tuple[UnixAddress, list[bytes]]]:
    """Respond to the first request; yield the address, and the heads of the requests."""
    seen: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    with tempfile.TemporaryDirectory(prefix="pw") as folder:
        path = str(Path(folder) / "s")
        async with await asyncio.start_unix_server(serve, path):
            yield UnixAddress(path), seen
            await asyncio.gather(*tasks)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (OK, 200),
        (b"HTTP/1.1 503 Away\r\ncontent-length: 1000000\r\n\r\n", 503),
        (b"HTTP/1.1 204 No Content\r\nbad header\r\n\r\n", 204),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\n\r\n", 404),
    ],
)
async def test_status_is_read_without_the_body(answer: bytes, status: int) -> None:
    async with answering(answer) as (address, seen):
        assert await get_status(address, "api", "/ready", lines=b"accept: */*\r\n") == status
    assert seen[0] == b"GET /ready HTTP/1.1\r\nhost: api\r\naccept: */*\r\nconnection: close\r\n\r\n"


async def test_no_status_is_an_error() -> None:
    async with answering(b"SSH-2.0\r\n") as (address, _):
        with pytest.raises(BadResponse) as bad:
            await get_status(address, "api", "/ready")
        assert bad.value.start == b"SSH-2.0\r\n"
    async with answering(b"") as (address, _):
        with pytest.raises(ConnectionLost):
            await get_status(address, "api", "/ready")
    with pytest.raises(OSError, match="No such file"):
        await get_status(UnixAddress("/nowhere/s"), "api", "/ready")
