"""TLS at the gateway's public socket, seen from raw sockets."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from harness.certificates import Authority
from websockets.asyncio.client import connect

from pywatt.config.model import ServerConfig
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions

pytestmark = pytest.mark.anyio
PATIENCE = 20.0


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def pem(path: Path, key: str = "server.https.cert") -> Pem:
    return Pem(key=key, text=path.read_bytes(), path=path)


def server(authority: Authority, *, handshake_timeout: float = 10.0, **keys: Any) -> ServerConfig:
    cert, key = authority.issue("server")
    pair = CertifiedKey(cert=pem(cert), key=pem(key, "server.https.key"))
    return ServerConfig(https=TlsOptions(certificates=(pair,), handshake_timeout=handshake_timeout, **keys))


def client_context(authority: Authority, *certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(authority.file))
    if certificate:
        context.load_cert_chain(certificate[0], certificate[1])
    return context


async def exchange(port: int, data: bytes, tls: ssl.SSLContext | None) -> bytes:
    """Return all that is answered until the server closes."""
    async with asyncio.timeout(PATIENCE):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
        try:
            writer.write(data)
            return await reader.read()
        finally:
            writer.close()


GET = b"GET /api/hello HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


def document(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


async def test_services_see_https_and_the_client(app: Any, service: Any, make_table: Any, authority: Authority) -> None:
    tls = client_context(authority)
    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        headers = document(await exchange(app.port, GET, tls))["headers"]
        assert headers["x-forwarded-proto"] == "https"
        assert headers["x-forwarded-for"] == "127.0.0.1"
        upload = b"POST /api/echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n"
        assert document(await exchange(app.port, upload + b"x" * 3_000_000, tls))["size"] == 3_000_000
        large = await exchange(app.port, GET.replace(b"/api/hello", b"/api/large"), tls)
        assert large.count(b"x") > 10_000_000 - 1
        async with connect(f"wss://127.0.0.1:{app.port}/api/ws", ssl=tls) as websocket:
            await websocket.send("hello")
            assert await websocket.recv() == "HELLO"


async def test_other_sockets_stay_plain(app: Any, service: Any, make_table: Any, authority: Authority) -> None:
    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        port = app.loopback.getsockname()[1]
        assert document(await exchange(port, GET, None))["headers"]["x-forwarded-proto"] == "http"


async def test_plain_http_gets_a_clear_answer(app: Any, make_table: Any, authority: Authority) -> None:
    async with app.gateway(make_table(1), server=server(authority)):
        answer = await exchange(app.port, GET, None)
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"https://" in answer


@pytest.mark.parametrize("garbage", [b"\x00\x01\x02\x03", b"\x16\x03\x01\x00\x05hello", b"\x16" * 70_000, b"\xff"])
async def test_garbage_closes_the_connection(
    app: Any, service: Any, make_table: Any, authority: Authority, garbage: bytes
) -> None:
    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        try:
            answer = await exchange(app.port, garbage, None)
        except ConnectionResetError:
            answer = b""
        assert b"HTTP" not in answer
        assert document(await exchange(app.port, GET, client_context(authority)))["method"] == "GET"


async def test_old_versions_are_refused(app: Any, make_table: Any, authority: Authority) -> None:
    old = client_context(authority)
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.minimum_version = ssl.TLSVersion.TLSv1
    with pytest.warns(DeprecationWarning, match="TLS"):
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    old.set_ciphers("ALL:@SECLEVEL=0")
    async with app.gateway(make_table(1), server=server(authority)):
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await exchange(app.port, GET, old)


async def test_the_certificate_of_a_client_is_told_and_cannot_be_forged(
    app: Any, service: Any, make_table: Any, authority: Authority
) -> None:
    config = server(authority, request_cert=True, reject_unauthorized=False, ca=(pem(authority.file),))
    forged = GET.replace(b"Host: a", b"Host: a\r\nX-Forwarded-Client-Cert: Subject=root\r\nClient-Cert: x")
    async with service("api") as (path, _), app.gateway(make_table(1, path), server=config):
        known = client_context(authority, *authority.issue("client"))
        headers = document(await exchange(app.port, forged, known))["headers"]
        assert headers["x-forwarded-client-cert"].endswith(';Subject="CN=client"')
        assert "client-cert" not in headers
        headers = document(await exchange(app.port, forged, client_context(authority)))["headers"]
        assert not {"x-forwarded-client-cert", "client-cert"} & headers.keys()


async def test_clients_without_a_certificate_are_refused(
    app: Any, make_table: Any, authority: Authority, tmp_path: Path
) -> None:
    config = server(authority, request_cert=True, ca=(pem(authority.file),))
    (tmp_path / "other").mkdir()
    stranger = Authority(tmp_path / "other").issue("stranger")
    async with app.gateway(make_table(1), server=config):
        for tls in (client_context(authority), client_context(authority, *stranger)):
            with suppress(ssl.SSLError, ConnectionResetError):
                assert await exchange(app.port, GET, tls) == b""


async def test_a_handshake_that_does_not_go_on_is_ended(app: Any, make_table: Any, authority: Authority) -> None:
    async with app.gateway(make_table(1), server=server(authority, handshake_timeout=0.2)):
        for start in (b"", b"\x16\x03\x01"):
            assert await exchange(app.port, start, None) == b""


async def test_a_stop_waits_for_a_handshake_that_has_begun(
    app: Any, service: Any, make_table: Any, authority: Authority
) -> None:
    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)) as context:
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = client_context(authority).wrap_bio(back, there, server_hostname="127.0.0.1")
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)

        async def step(act: Any, *arguments: Any) -> Any:
            async with asyncio.timeout(PATIENCE):
                while True:
                    try:
                        return act(*arguments)
                    except ssl.SSLWantReadError:
                        writer.write(there.read())
                        received = await reader.read(65536)
                        assert received, "the connection was closed"
                        back.write(received)
                    finally:
                        writer.write(there.read())

        with pytest.raises(ssl.SSLWantReadError):
            tls.do_handshake()
        writer.write(there.read())
        back.write(await reader.read(65536))  # the server is in the middle of its handshake
        context.stop.set()
        await step(tls.do_handshake)
        tls.write(GET)
        writer.write(there.read())
        assert (await step(tls.read, 65536)).startswith(b"HTTP/1.1 200 OK\r\n")
        writer.close()


@pytest.mark.parametrize(
    "request_head", [GET, GET.replace(b"GET", b"POST").replace(b"Host", b"Content-Length: 9\r\nHost")]
)
async def test_the_end_of_a_response_is_told_by_tls(
    app: Any, service: Any, make_table: Any, authority: Authority, request_head: bytes
) -> None:
    """Without a close_notify a client cannot tell the end from an attack that cuts a response off."""
    context = client_context(authority)
    context.options &= ~ssl.OP_IGNORE_UNEXPECTED_EOF
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(back, there, server_hostname="127.0.0.1")
    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        answer, sent, piece = b"", False, b"-"
        async with asyncio.timeout(PATIENCE):
            while piece:
                try:
                    if not sent:
                        tls.do_handshake()
                        tls.write(request_head.replace(b"/api/hello", b"/api/%zz"))
                        sent = True
                    piece = tls.read(65536)  # an SSLEOFError without close_notify
                    answer += piece
                except ssl.SSLWantReadError:
                    writer.write(there.read())
                    received = await reader.read(65536)
                    back.write(received) if received else back.write_eof()
        writer.close()
        assert answer.startswith(b"HTTP/1.1 400 ")
