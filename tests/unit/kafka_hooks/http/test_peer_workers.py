"""Calls between the workers of one service."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest

from pywatt.http.client.client import HttpClient
from pywatt_services.kafka_hooks.http.peer_workers import PeerWorkers, UnreachablePeer
from pywatt_services.kafka_hooks.http.responses import HttpResponse

pytestmark = pytest.mark.anyio
CREATED = (
    b"HTTP/1.1 201 Created\r\ncontent-type: text/plain\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
    b"connection: close\r\ncontent-length: 2\r\n\r\nok"
)
REQUEST = b"POST /relay HTTP/1.1\r\nhost: sibling\r\nconnection: close\r\ncontent-length: 4\r\n\r\nbody"


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (CREATED, HttpResponse(201, [(b"content-type", b"text/plain")], b"ok")),
        (CREATED[:-1], None),
        (b"", None),
    ],
)
async def test_post_to_a_peer(sent: bytes, answer: HttpResponse | None) -> None:
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readexactly(len(REQUEST)))
        writer.write(sent)
        writer.close()

    with tempfile.TemporaryDirectory(prefix="pw") as folder:
        path = str(Path(folder) / "s")
        async with await asyncio.start_unix_server(serve, path), HttpClient() as client:
            assert await PeerWorkers(client).post(path, "/relay", b"body") == answer
        assert seen == [REQUEST]
        async with HttpClient() as client:
            with pytest.raises(UnreachablePeer):
                await PeerWorkers(client).post(str(Path(folder) / "none"), "/relay", b"body")
