"""HTTP/2 at the gateway's public socket: requests, limits, attacks, the end."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.certificates import Authority
from harness.http2_client import Http2Client, http2_client, http2_socket
from websockets.frames import Frame, Opcode

from pywatt.config.model import ServerConfig
from pywatt.http.http2.connection import CONNECTION_WINDOW, MAX_STREAMS, STREAM_WINDOW
from pywatt.http.http2.frame_cutter import CONTROL_BURST, RESET_BURST
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions

pytestmark = pytest.mark.anyio
PROTOCOL_ERROR, FLOW_CONTROL, REFUSED, CALM = 1, 3, 7, 11
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 1, 2, 3, 4, 6, 8, 9
GET_BLOCK = bytes.fromhex("82 87 84 41 01 61")
"""GET https / of the authority a."""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def server(authority: Authority, **keys: Any) -> ServerConfig:
    files = authority.issue("server")
    cert, key = (Pem(key="server.https", text=file.read_bytes(), path=file) for file in files)
    return ServerConfig(http2=True, https=TlsOptions(certificates=(CertifiedKey(cert=cert, key=key),), **keys))


async def with_client(app: Any, authority: Authority, act: Callable[[Http2Client], Any]) -> Any:
    def run() -> Any:
        with http2_client(app.port, str(authority.file)) as client:
            return act(client)

    return await asyncio.to_thread(run)


def frame(kind: int, payload: bytes = b"", flags: int = 0, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


async def test_requests_and_responses(app: Any, service: Any, make_table: Any, authority: Authority) -> None:
    def act(client: Http2Client) -> None:
        response = client.get("/api/hello?x=y", ("x-a", "1"), ("cookie", "a=1"), ("cookie", "b=2"))
        document = json.loads(response.body)
        assert (response.status, document["method"], document["path"]) == (200, "GET", "/hello")
        assert document["headers"]["x-a"] == "1"
        assert document["headers"]["cookie"] == "a=1; b=2"
        assert document["headers"]["host"] == "a"
        assert document["headers"]["x-forwarded-proto"] == "https"
        assert not {"connection", "transfer-encoding", "keep-alive"} & response.headers.keys()
        size = 3_000_000
        for fields in ([], [("content-length", str(size))]):
            response = client.response(client.request("POST", "/api/echo", *fields, body=b"x" * size))
            assert json.loads(response.body)["size"] == size
        assert len(client.get("/api/large").body) == 10_000_000
        response = client.response(client.request("HEAD", "/api/hello"))
        assert (response.status, response.body) == (200, b"")
        assert int(response.headers["content-length"]) > 0
        assert client.get("/api/nothing").status == 404
        assert json.loads(client.get("/nothing").body)["message"] == "Route GET:/nothing not found"
        assert client.get("/api/%zz").status == 400
        streams = [client.request("GET", f"/api/{number}") for number in range(MAX_STREAMS)]
        paths = [json.loads(client.response(stream).body)["path"] for stream in streams]
        assert paths == [f"/{number}" for number in range(MAX_STREAMS)]

    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        await with_client(app, authority, act)


async def test_the_access_log_tells_the_version(
    app: Any, make_table: Any, authority: Authority, capfd: pytest.CaptureFixture[str]
) -> None:
    document = {"server": {"accessLog": "combined"}}
    async with app.gateway(make_table(1), document, server(authority)):
        await with_client(app, authority, lambda client: client.get("/nothing"))
    assert 'GET /nothing HTTP/2.0\\" 404' in capfd.readouterr().out


async def test_http_1_is_spoken_with_those_who_know_nothing_else(
    app: Any, service: Any, make_table: Any, authority: Authority
) -> None:
    tls = ssl.create_default_context(cafile=str(authority.file))
    request = b"GET /api/x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    async with service("api") as (path, _):
        for allowed in (True, False):
            config = server(authority, allow_http1=allowed)
            async with app.gateway(make_table(1, path), server=config):
                reader, writer = await asyncio.open_connection("127.0.0.1", app.port, ssl=tls)
                writer.write(request)
                assert (await reader.read()).startswith(b"HTTP/1.1 200 OK" if allowed else b"")
                writer.close()


async def test_a_websocket_is_a_stream(app: Any, service: Any, make_table: Any, authority: Authority) -> None:
    def act(client: Http2Client) -> None:
        while not client.h2.remote_settings.enable_connect_protocol:
            assert client.receive()
        version = ("sec-websocket-version", "13")
        stream = client.request("CONNECT", "/api/ws", version, ended=False, protocol="websocket")
        response = client.responses[stream]
        text = Frame(Opcode.TEXT, b"hello").serialize(mask=True, extensions=[])
        client.h2.send_data(stream, text)
        client.flush()
        while len(response.body) < 7 and client.receive():
            pass
        assert (response.status, response.body) == (200, b"\x81\x05HELLO")
        client.h2.send_data(stream, Frame(Opcode.CLOSE, b"\x03\xe8").serialize(mask=True, extensions=[]))
        client.flush()
        client.response(stream)
        assert response.body[7:] == b"\x88\x02\x03\xe8"
        assert client.get("/api/x").status == 200
        refused = client.request(
            "CONNECT", "/api/ws", ("sec-websocket-version", "1"), ended=False, protocol="websocket"
        )
        assert client.response(refused).status == 426

    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        await with_client(app, authority, act)


async def test_an_upload_that_nobody_takes_is_bounded(
    app: Any, service: Any, make_table: Any, authority: Authority
) -> None:
    def act(client: Http2Client) -> None:
        stream = client.request("POST", "/api/silence", ended=False)
        sent = 0
        while size := min(client.h2.local_flow_control_window(stream), 16384):
            client.h2.send_data(stream, b"x" * size)
            client.ping()  # the windows are opened again before it is answered, if they are
            sent += size
        assert client.get("/api/x").status == 200
        assert sent < CONNECTION_WINDOW + 4 * STREAM_WINDOW

    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        await with_client(app, authority, act)


async def test_a_download_that_nobody_takes_waits_and_holds_nobody_up(
    app: Any, service: Any, make_table: Any, authority: Authority
) -> None:
    def act(client: Http2Client) -> None:
        client.takes = False
        client.h2.increment_flow_control_window(10_000_000)
        slow = client.request("GET", "/api/large")
        while len(client.responses[slow].body) < 65535:
            client.receive()
        assert client.get("/api/x").status == 200
        assert len(client.responses[slow].body) == 65535
        client.takes = True
        client.h2.increment_flow_control_window(20_000_000, slow)
        client.flush()
        assert len(client.response(slow).body) == 10_000_000

    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        await with_client(app, authority, act)


async def test_a_request_that_its_client_resets_is_given_up(
    app: Any, service: Any, make_table: Any, authority: Authority
) -> None:
    def act(client: Http2Client) -> None:
        stream = client.request("GET", "/api/stream")
        while not client.responses[stream].body:
            client.receive()
        client.h2.reset_stream(stream)
        client.flush()
        assert client.get("/api/disconnected").status == 200

    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        await with_client(app, authority, act)


async def test_a_stop_finishes_requests_and_tells_of_the_end(
    app: Any, service: Any, make_table: Any, authority: Authority
) -> None:
    loop = asyncio.get_running_loop()
    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)) as context:

        def act(client: Http2Client) -> None:
            assert client.get("/api/x").status == 200
            slow = client.request("POST", "/api/echo", ended=False)
            client.h2.ping(b"12345678")
            client.flush()
            client.receive()
            loop.call_soon_threadsafe(context.stop.set)
            while not client.goaways:
                client.receive()
            late = client.request("GET", "/api/late")  # it was on its way
            client.h2.send_data(slow, b"body", end_stream=True)
            client.flush()
            assert client.response(late).status in (200, 0)
            assert client.responses[late].reset in (None, REFUSED)
            assert json.loads(client.response(slow).body)["size"] == 4
            client.wait_for_end()
            assert client.goaways[-1] == 0

        await with_client(app, authority, act)


MALFORMED = [
    ("connection", "close"),
    ("transfer-encoding", "chunked"),
    ("x", "1\r\nevil: 1"),
    ("x\r\nevil", "1"),
    ("X-Upper", "1"),
    ("a:b", "1"),
    ("te", "gzip"),
    ("host", "other"),
    ("content-length", "3"),
]


async def test_a_malformed_request_ends_its_stream_alone(
    app: Any, service: Any, make_table: Any, authority: Authority
) -> None:
    def act(client: Http2Client) -> None:
        for field in MALFORMED:
            response = client.get("/api/x", field)
            assert (response.status, response.reset) == (0, PROTOCOL_ERROR), field
        for path in ("http://evil/", "/a b", "", "/x\r\ny: z"):
            assert client.get(path).reset == PROTOCOL_ERROR, path
        late = client.request("POST", "/api/echo", ("content-length", "10"), ended=False)
        assert client.get("/api/x").status == 200
        client.h2.send_data(late, b"short", end_stream=True)
        client.flush()
        # h2 takes the rest of a body that is too short for an error of the connection.
        client.wait_for_end()
        assert client.goaways == [PROTOCOL_ERROR]

    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        await with_client(app, authority, act)


def streams(count: int, *frames: bytes) -> bytes:
    """Return requests on so many streams, each with further frames (whose stream is filled in)."""
    made = []
    for number in range(1, 2 * count, 2):
        made.append(frame(HEADERS, GET_BLOCK, 5, number))
        made += [each[:5] + number.to_bytes(4, "big") + each[9:] for each in frames]
    return b"".join(made)


ATTACKS = {
    "rapid reset": streams(RESET_BURST + 1, frame(RST_STREAM, b"\0\0\0\x08")),
    "made you reset": streams(RESET_BURST + 1, frame(WINDOW_UPDATE, b"\0\0\0\0")),
    "continuation flood": frame(HEADERS, GET_BLOCK, 1, 1) + frame(CONTINUATION, b"", 0, 1) * 1000,
    "large continuations": frame(HEADERS, GET_BLOCK, 1, 1) + frame(CONTINUATION, b"\0" * 16000, 0, 1) * 10,
    "settings flood": frame(SETTINGS) * (CONTROL_BURST + 1),
    "ping flood": frame(PING, b"12345678") * (CONTROL_BURST + 1),
    "priority flood": frame(PRIORITY, b"\0\0\0\0\0", 0, 3) * (CONTROL_BURST + 1),
    "empty frames": frame(HEADERS, GET_BLOCK, 4, 1) + frame(0, b"", 0, 1) * (CONTROL_BURST + 1),
    "unknown frames": frame(0x7F) * (CONTROL_BURST + 1),
    "malformed requests": b"".join(frame(HEADERS, b"\x82", 5, 2 * each + 1) for each in range(RESET_BURST + 1)),
    "header bomb": frame(HEADERS, GET_BLOCK + b"\x40\x01a\x7f\xa1\x1e" + b"x" * 4000 + b"\xbe" * 11000, 5, 1),
}


@pytest.mark.parametrize("name", ATTACKS)
async def test_floods_end_the_connection_and_nothing_else(
    app: Any, service: Any, make_table: Any, authority: Authority, name: str
) -> None:
    def attack() -> tuple[list[int], bool]:
        with http2_socket(app.port, str(authority.file)) as sock:
            try:
                sock.sendall(PREFACE + ATTACKS[name])
                seen = b""
                while data := sock.recv(65536):
                    seen += data
            except OSError:  # it was closed while more was on its way
                return [], True
            return goaways(seen), True

    def act(client: Http2Client) -> None:
        assert client.get("/api/x").status == 200

    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        codes, closed = await asyncio.to_thread(attack)
        assert closed
        assert codes in ([], [CALM], [PROTOCOL_ERROR]) if name == "made you reset" else codes in ([], [CALM])
        await with_client(app, authority, act)


def goaways(data: bytes) -> list[int]:
    """Return the error codes of the GOAWAY frames."""
    codes = []
    while len(data) >= 9:
        size, kind = int.from_bytes(data[:3], "big"), data[3]
        if kind == 7:
            codes.append(int.from_bytes(data[13:17], "big"))
        data = data[9 + size :]
    return codes


@pytest.mark.skipif(not os.environ.get("PYWATT_H2SPEC"), reason="PYWATT_H2SPEC names no h2spec")
async def test_h2spec(app: Any, service: Any, make_table: Any, authority: Authority) -> None:
    async with service("api") as (path, _), app.gateway(make_table(1, path), server=server(authority)):
        arguments = ("-h", "127.0.0.1", "-p", str(app.port), "-t", "-k", "-P", "/api/", "-o", "5")
        process = await asyncio.create_subprocess_exec(
            os.environ["PYWATT_H2SPEC"], *arguments, stdout=asyncio.subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert process.returncode == 0, output.decode()
        print(output.decode().splitlines()[-1])
