"""Files and redirects of a real gateway, on raw sockets."""

from __future__ import annotations

import asyncio
import gzip
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from pywatt.mesh.table import MeshTable

SECRET = b"secret"
LARGE = bytes(range(256)) * 4096  # 1 MiB


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder with files, and things that must not be served."""
    (tmp_path / "outside.txt").write_bytes(SECRET)
    root = tmp_path / "site"
    (root / "docs").mkdir(parents=True)
    (root / ".git").mkdir()
    (root / "empty").mkdir()
    (root / "index.html").write_text("<h1>home</h1>")
    (root / "docs/index.html").write_text("docs")
    (root / "docs/ä b.txt").write_text("ä")
    (root / "large.bin").write_bytes(LARGE)
    (root / "app.js").write_text("let a")
    (root / "app.js.gz").write_bytes(gzip.compress(b"let a"))
    (root / "app.js.br").write_bytes(b"brotli")
    (root / ".env").write_bytes(SECRET)
    (root / ".git/config").write_bytes(SECRET)
    (root / "out.txt").symlink_to(tmp_path / "outside.txt")
    (root / "up").symlink_to(tmp_path)
    (root / "env.txt").symlink_to(root / ".env")
    (root / "loop").symlink_to(root / "loop")
    (root / "inside.txt").symlink_to(root / "docs/index.html")
    os.mkfifo(root / "pipe")
    return root


def document(**static: Any) -> dict[str, Any]:
    return {"gateway": {"applications": [{"id": "web", "proxy": {"prefix": "/web", "static": static}}]}}


def is_open(file: Path) -> bool:
    """Tell whether this process has the file open."""
    return any(os.path.realpath(f"/proc/self/fd/{fd}") == str(file) for fd in os.listdir("/proc/self/fd"))


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, path: str, *lines: str, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
        """Send a request over the same connection as the one before."""
        head = "\r\n".join([f"{method} {path} HTTP/1.1", "host: edge", *lines])
        self.writer.write(f"{head}\r\n\r\n".encode())
        async with asyncio.timeout(20):
            text = (await self.reader.readuntil(b"\r\n\r\n")).decode()
            status, *fields = text.strip().split("\r\n")
            headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
            has_body = method != "HEAD" and " 304 " not in status
            body = await self.reader.readexactly(int(headers["content-length"])) if has_body else b""
            return int(status[9:12]), headers, body


@asynccontextmanager
async def client_of(app: Any) -> AsyncIterator[Client]:
    reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
    try:
        yield Client(reader, writer)
    finally:
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()


@pytest.fixture
def table(make_table: Callable[..., MeshTable]) -> MeshTable:
    return make_table(1)


async def test_files_folders_and_their_headers(app: Any, table: MeshTable, site: Path) -> None:
    settings = document(root=str(site), cacheControl="max-age=60")
    async with app.gateway(table, settings), client_of(app) as client:
        code, headers, body = await client.ask("/web/")
        assert (code, body) == (200, b"<h1>home</h1>")
        assert headers["content-type"] == "text/html; charset=utf-8"
        assert headers["cache-control"] == "max-age=60"
        assert (await client.ask("/web"))[2] == b"<h1>home</h1>"
        assert (await client.ask("/web/docs/%C3%A4%20b.txt"))[2].decode() == "ä"
        code, headers, _ = await client.ask("/web/docs?a=1")
        assert (code, headers["location"]) == (308, "/web/docs/?a=1")
        assert (await client.ask("/web/docs/"))[2] == b"docs"
        assert (await client.ask("/web/inside.txt"))[2] == b"docs"
        assert (await client.ask("/web/empty/"))[0] == 404
        assert (await client.ask("/web/index.html/"))[0] == 404
        code, headers, body = await client.ask("/web/large.bin")
        assert (code, headers["content-type"], body) == (200, "application/octet-stream", LARGE)
        code, headers, _ = await client.ask("/web/large.bin", method="HEAD")
        assert (code, headers["content-length"]) == (200, str(len(LARGE)))
        code, headers, _ = await client.ask("/web/", method="POST")
        assert (code, headers["allow"]) == (405, "GET, HEAD")


async def test_conditions_and_ranges(app: Any, table: MeshTable, site: Path) -> None:
    async with app.gateway(table, document(root=str(site))), client_of(app) as client:
        _, headers, _ = await client.ask("/web/large.bin", method="HEAD")
        etag, modified = headers["etag"], headers["last-modified"]
        code, headers, _ = await client.ask("/web/large.bin", f"if-none-match: {etag}")
        assert (code, headers["etag"]) == (304, etag)
        assert "content-length" not in headers
        assert (await client.ask("/web/large.bin", f"if-modified-since: {modified}"))[0] == 304
        code, headers, body = await client.ask("/web/large.bin", "range: bytes=1000-500000", f"if-range: {etag}")
        assert (code, headers["content-range"]) == (206, f"bytes 1000-500000/{len(LARGE)}")
        assert body == LARGE[1000:500001]
        code, headers, _ = await client.ask("/web/large.bin", f"range: bytes={len(LARGE)}-")
        assert (code, headers["content-range"]) == (416, f"bytes */{len(LARGE)}")
        (site / "large.bin").write_bytes(b"new")
        assert (await client.ask("/web/large.bin", "range: bytes=0-1", f"if-range: {etag}"))[2] == b"new"
        assert (await client.ask("/web/large.bin", f"if-none-match: {etag}"))[0] == 200
        assert (await client.ask("/web/large.bin", f"if-match: {etag}"))[0] == 412


async def test_compressed_siblings(app: Any, table: MeshTable, site: Path) -> None:
    async with app.gateway(table, document(root=str(site))), client_of(app) as client:
        code, headers, body = await client.ask("/web/app.js", "accept-encoding: gzip, br")
        assert (code, headers["content-encoding"], body) == (200, "br", b"brotli")
        assert headers["content-type"] == "text/javascript; charset=utf-8"
        assert headers["vary"] == "Accept-Encoding"
        _, other, body = await client.ask("/web/app.js", "accept-encoding: gzip, br;q=0")
        assert (other["content-encoding"], gzip.decompress(body)) == ("gzip", b"let a")
        _, plain, body = await client.ask("/web/app.js")
        assert (plain["vary"], body) == ("Accept-Encoding", b"let a")
        assert len({headers["etag"], other["etag"], plain["etag"]}) == 3
        assert "vary" not in (await client.ask("/web/large.bin", "accept-encoding: br"))[1]


@pytest.mark.parametrize(
    "path",
    [
        "/web/.env",
        "/web/%2eenv",
        "/web/.git/config",
        "/web/env.txt",
        "/web/out.txt",
        "/web/up/outside.txt",
        "/web/up/",
        "/web/up",
        "/web/../outside.txt",
        "/web/%2e%2e/outside.txt",
        "/web/..%2foutside.txt",
        "/web/docs/..%5c..%5coutside.txt",
        "/web/docs/%2e%2e%2f%2e%2e%2foutside.txt",
        "/web//etc/passwd",
        "/web/loop",
        "/web/pipe",
        "/web/app.js/x",
        "/web/index.html%00.txt",
        "/web/" + "a" * 300,
        "/web/" + "a/" * 900,
    ],
)
async def test_nothing_else_is_served(app: Any, table: MeshTable, site: Path, path: str) -> None:
    settings = document(root=str(site)) | {"server": {"escapedSlashes": "pass"}}
    async with app.gateway(table, settings), client_of(app) as client:
        code, _, body = await client.ask(path)
        assert code == 404
        assert SECRET not in body


async def test_fallback_is_for_pages_only(app: Any, table: MeshTable, site: Path) -> None:
    async with app.gateway(table, document(root=str(site), fallback="index.html")), client_of(app) as client:
        code, _, body = await client.ask("/web/some/page", "accept: text/html,*/*")
        assert (code, body) == (200, b"<h1>home</h1>")
        assert (await client.ask("/web/missing.js", "accept: */*"))[0] == 404
        assert (await client.ask("/web/.env", "accept: text/html"))[0] == 404


async def test_a_client_that_takes_nothing_or_leaves_holds_nothing(app: Any, table: MeshTable, site: Path) -> None:
    huge = site / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(256 * 1024 * 1024)
    async with app.gateway(table, document(root=str(site))), client_of(app) as slow, client_of(app) as other:
        slow.writer.write(b"GET /web/huge.bin HTTP/1.1\r\nhost: x\r\n\r\n")
        assert (await slow.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        for _ in range(50):
            assert (await other.ask("/web/"))[0] == 200
        assert is_open(huge)
        slow.writer.transport.abort()
        async with asyncio.timeout(20):
            while is_open(huge):
                await other.ask("/web/")


async def test_a_file_that_becomes_shorter_breaks_the_response_off(app: Any, table: MeshTable, site: Path) -> None:
    huge = site / "huge.bin"
    with huge.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    async with app.gateway(table, document(root=str(site))), client_of(app) as client:
        client.writer.write(b"GET /web/huge.bin HTTP/1.1\r\nhost: x\r\n\r\n")
        await client.reader.readuntil(b"\r\n\r\n")
        os.truncate(huge, 10)
        received = 0
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                while piece := await client.reader.read(1 << 20):
                    received += len(piece)
        assert received < 64 * 1024 * 1024


async def test_redirect(app: Any, table: MeshTable) -> None:
    redirect = {"to": "https://new.example/shop{request.rest}{request.query}", "status": 308}
    entries = [
        {"id": "old", "proxy": {"prefix": "/old", "redirect": redirect}},
        {"id": "here", "proxy": {"prefix": "/here", "redirect": "{request.rest}"}},
        {
            "id": "tls",
            "proxy": {"hostname": "tls.example", "redirect": "https://{request.host}{request.rest}{request.query}"},
        },
    ]
    async with app.gateway(table, {"gateway": {"applications": entries}}), client_of(app) as client:
        code, headers, _ = await client.ask("/old/a/b?c=d")
        assert (code, headers["location"]) == (308, "https://new.example/shop/a/b?c=d")
        assert headers["content-length"] == "0"
        assert (await client.ask("/here//evil.example/x"))[1]["location"] == "/evil.example/x"
        assert (await client.ask("/here"))[1]["location"] == "/"
        code, headers, _ = await client.ask("http://tls.example:8080/x?y")
        assert (code, headers["location"]) == (302, "https://tls.example/x?y")
