"""Timeouts, retries, breakers, several upstreams and mirrors, through a real gateway on raw sockets."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import websockets
from harness.certificates import Authority
from harness.origin import OriginRequest, hang_up, nothing, ok, origin, status

from pywatt.mesh.table import MeshTable

GET = b"GET /api/x HTTP/1.1\r\nhost: edge\r\n\r\n"


def document(*upstreams: str | Mapping[str, Any], **proxy: Any) -> dict[str, Any]:
    return {"gateway": {"applications": [{"id": "api", "proxy": {"upstreams": list(upstreams), **proxy}}]}}


class Client:
    """A raw connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def ask(self, request: bytes = GET) -> tuple[int, bytes, bytes]:
        """Send a request; return status, head and body."""
        self.writer.write(request)
        async with asyncio.timeout(20):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(
                int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")
            )
            return int(head[9:12]), head, await self.reader.readexactly(length)


Connect = Callable[[], Awaitable[Client]]


@pytest.fixture
async def connect(app: Any) -> AsyncIterator[Connect]:
    """Connect to the gateway; the connections are closed after the test."""
    clients: list[Client] = []

    async def open_one() -> Client:
        clients.append(Client(*await asyncio.open_connection("127.0.0.1", app.port)))
        return clients[-1]

    yield open_one
    for client in clients:
        client.writer.close()
        with suppress(ConnectionError):
            await client.writer.wait_closed()


@pytest.fixture
def table(make_table: Callable[..., MeshTable]) -> MeshTable:
    return make_table(1)


def unused_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


async def test_an_upstream_that_does_not_answer_gives_504(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin(nothing) as slow, app.gateway(table, document(slow.url, timeouts={"response": 50})):
        client = await connect()
        code, _, body = await client.ask()
        assert code == 504
        assert b"within 0.05 s" in body
        # The connection of the client goes on, and the next request is served.
        slow.respond = ok
        assert (await client.ask())[0] == 200


async def test_the_whole_request_has_a_limit(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin(nothing) as slow:
        rules = {"timeouts": {"request": 50, "response": 60_000}, "retries": True}
        async with app.gateway(table, document(slow.url, **rules)):
            assert (await (await connect()).ask())[0] == 504
            assert len(slow.requests) == 1


async def test_a_response_that_pauses_is_broken_off(app: Any, table: MeshTable, connect: Connect) -> None:
    async def begin(request: OriginRequest) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nbegun")

    async with origin(begin) as slow, app.gateway(table, document(slow.url, timeouts={"idle": 50})):
        client = await connect()
        client.writer.write(GET)
        async with asyncio.timeout(20):
            received = b""
            with suppress(ConnectionResetError):
                while piece := await client.reader.read(1000):
                    received += piece
        assert received.endswith(b"begun")


async def test_a_response_without_pauses_may_take_long(app: Any, table: MeshTable, connect: Connect) -> None:
    async def drip(request: OriginRequest) -> None:
        await request.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n")
        for _ in range(10):
            await asyncio.to_thread(lambda: None)
            await request.send(b"x")

    async with origin(drip) as slow, app.gateway(table, document(slow.url, timeouts={"idle": 5000, "response": 5000})):
        assert (await (await connect()).ask())[2] == b"x" * 10


@pytest.mark.parametrize("respond", [status(503), status(502), hang_up, nothing])
async def test_a_failed_request_goes_to_the_other_upstream(
    app: Any, table: MeshTable, connect: Connect, respond: Any
) -> None:
    async with origin(respond) as bad, origin() as good:
        rules = {"retries": {"count": 1}, "timeouts": {"response": 100}, "breaker": False}
        async with app.gateway(table, document(bad.url, good.url, **rules)):
            client = await connect()
            for _ in range(4):
                code, _, body = await client.ask()
                assert (code, body) == (200, b"GET /x HTTP/1.1")
            assert len(good.requests) == 4
            assert bad.requests


async def test_bodies_are_sent_again_if_the_method_is_idempotent(app: Any, table: MeshTable, connect: Connect) -> None:
    put = b"PUT /api/x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n"
    post = b"POST /api/x HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\nhello"
    large = b"PUT /api/x HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n123456789"
    async with origin(status(503)) as bad, origin() as good:
        rules = {"retries": {"bodyLimit": 6}, "breaker": False, "sticky": "stick"}
        to_be_bad = {"url": bad.url, "header": "x-bad"}
        async with app.gateway(table, document(to_be_bad, good.url, **rules)):
            client = await connect()

            def to_bad(request: bytes) -> bytes:
                return request.replace(b"host: x\r\n", b"host: x\r\nx-bad: 1\r\n")

            assert (await client.ask(to_bad(put)))[0] == 200
            assert (bad.requests[-1].body, good.requests[-1].body) == (b"hello!", b"hello!")
            assert (await client.ask(to_bad(post)))[0] == 503
            assert (await client.ask(to_bad(large)))[0] == 503
            assert [request.body for request in good.requests] == [b"hello!"]


async def test_no_connection_is_made_good_by_another_upstream_for_any_method(
    app: Any, table: MeshTable, connect: Connect
) -> None:
    nobody = f"http://127.0.0.1:{unused_port()}"
    async with origin() as good, app.gateway(table, document(nobody, good.url)):
        client = await connect()
        for _ in range(4):
            code, _, _ = await client.ask(b"POST /api/x HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi")
            assert code == 200
        assert [request.body for request in good.requests] == [b"hi"] * 4


async def test_retries_do_not_multiply_an_outage(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin(status(503)) as bad:
        rules = {"retries": {"count": 3, "budget": 0.1}, "breaker": False}
        async with app.gateway(table, document(bad.url, **rules)):
            client = await connect()
            for _ in range(60):
                assert (await client.ask())[0] == 503
            # A reserve of 10, 0.1 for each request, 1 a second: far from 240.
            assert 60 < len(bad.requests) < 120


async def test_breaker_opens_tries_again_and_closes(app: Any, table: MeshTable, connect: Connect) -> None:
    breaker = {"failures": 2, "pause": 100}
    async with origin(status(503)) as bad, app.gateway(table, document(bad.url, breaker=breaker)):
        client = await connect()
        for _ in range(2):
            assert (await client.ask())[2] == b"503"
        code, head, body = await client.ask()
        assert code == 503
        assert b"retry-after" in head.lower()
        assert b"circuit breaker" in body
        seen = len(bad.requests)
        assert seen == 2
        bad.respond = ok
        async with asyncio.timeout(20):
            while (await client.ask())[0] != 200:
                await asyncio.to_thread(lambda: None)
        assert len(bad.requests) == 3


async def test_an_upstream_that_fails_is_ejected(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin(status(502)) as bad, origin() as good:
        rules = {"breaker": {"failures": 3, "pause": 60_000}}
        async with app.gateway(table, document(bad.url, good.url, **rules)):
            client = await connect()
            codes = Counter([(await client.ask())[0] for _ in range(40)])
            assert codes == {502: 3, 200: 37}


async def test_health_checks_take_an_upstream_out_and_back(app: Any, table: MeshTable, connect: Connect) -> None:
    async def sick(request: OriginRequest) -> None:
        await (request.answer(500) if b"/health" in request.head else ok(request))

    async with origin(sick) as one, origin() as two:
        check = {"path": "/health", "interval": 10, "failureThreshold": 2, "successThreshold": 2}
        async with app.gateway(table, document(one.url, two.url, healthCheck=check)):
            await one.seen(3)  # the second failure was counted before the third check
            client = await connect()
            before = len([each for each in one.requests if b"/health" not in each.head])
            for _ in range(6):
                assert (await client.ask())[0] == 200
            assert len([each for each in one.requests if b"/health" not in each.head]) == before == 0
            one.respond = ok
            await one.seen(len(one.requests) + 4)
            for _ in range(6):
                await client.ask()
            assert [each for each in one.requests if b"/health" not in each.head]
            assert one.requests[0].header(b"host") == f"127.0.0.1:{one.port}".encode()


async def test_weights_are_shares(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin() as one, origin() as two:
        heavy = {"url": one.url, "weight": 9}
        async with app.gateway(table, document(heavy, two.url)):
            client = await connect()
            for _ in range(40):
                await client.ask()
            assert (len(one.requests), len(two.requests)) == (36, 4)


async def test_canary_by_header_and_cookie(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin() as stable, origin() as canary, origin() as cookie:
        by_header = {"url": canary.url, "weight": 0, "header": {"name": "X-Canary", "value": "always"}}
        by_cookie = {"url": cookie.url, "weight": 0, "cookie": "beta"}
        async with app.gateway(table, document(stable.url, by_header, by_cookie)):
            client = await connect()
            for _ in range(3):
                await client.ask()
            await client.ask(GET.replace(b"host: edge", b"host: edge\r\nx-canary: never"))
            await client.ask(GET.replace(b"host: edge", b"host: edge\r\nx-canary: always"))
            await client.ask(GET.replace(b"host: edge", b"host: edge\r\ncookie: a=1; beta=yes"))
            assert (len(stable.requests), len(canary.requests), len(cookie.requests)) == (4, 1, 1)


async def test_sticky_clients_stay_where_they_are(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin() as one, origin() as two, app.gateway(table, document(one.url, two.url, sticky="stay")):
        client = await connect()
        _, head, _ = await client.ask()
        cookie = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"set-cookie"))
        pair = cookie.split(b";")[0]
        assert pair.startswith(b"stay=")
        assert b"HttpOnly" in cookie
        first = one if one.requests else two
        for _ in range(5):
            _, head, _ = await client.ask(GET.replace(b"host: edge", b"host: edge\r\ncookie: " + pair))
            assert b"set-cookie" not in head.lower()
        assert len(first.requests) == 6


async def test_mirror_gets_copies_and_delays_nothing(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin() as main, origin(nothing) as shadow:
        mirror = {"upstream": shadow.url, "bodyLimit": 4}
        async with app.gateway(table, document(main.url, mirror=mirror)):
            client = await connect()
            post = b"POST /api/x?y HTTP/1.1\r\nhost: edge\r\ncontent-length: 4\r\n\r\nbody"
            assert (await client.ask(post))[0] == 200
            assert (await client.ask(post.replace(b": 4", b": 5") + b"!"))[0] == 200  # too large to be copied
            for _ in range(80):  # more than may be on their way
                assert (await client.ask())[0] == 200
            requests = await shadow.seen(64)
            assert (requests[0].line, requests[0].body) == ("POST /x?y HTTP/1.1", b"body")
            assert all(request.body != b"body!" for request in requests)
            assert len(main.requests) == 82


async def test_upstream_over_https(
    app: Any, table: MeshTable, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = Authority(tmp_path)
    certificate, key = authority.issue("origin")
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    async with origin(tls=tls) as remote, app.gateway(table, document(remote.url, healthCheck=True)):
        code, _, body = await (await connect()).ask()
        assert (code, body) == (200, b"GET /x HTTP/1.1")
        assert remote.requests[-1].header(b"host") == f"127.0.0.1:{remote.port}".encode()
        monkeypatch.delenv("SSL_CERT_FILE")


async def test_a_request_is_tried_at_another_worker(
    app: Any, make_table: Callable[..., MeshTable], connect: Connect, folder: Path
) -> None:
    async with origin(status(503), path=folder / "bad.sock") as bad, origin(path=folder / "good.sock") as good:
        rules = {"gateway": {"applications": [{"id": "api", "proxy": {"retries": {"count": 1, "budget": 1}}}]}}
        async with app.gateway(make_table(1, folder / "bad.sock", folder / "good.sock"), rules):
            client = await connect()
            for _ in range(20):
                assert (await client.ask())[0] == 200
            assert len(good.requests) == 20
            assert bad.requests


async def test_equal_requests_at_the_same_time_are_sent_once(app: Any, table: MeshTable, connect: Connect) -> None:
    answer = asyncio.Event()

    async def slow(request: OriginRequest) -> None:
        await answer.wait()
        await ok(request)

    async with origin(slow) as main, app.gateway(table, document(main.url, deduplication=True)):
        clients = [await connect() for _ in range(20)]
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(client.ask()) for client in clients]
            await main.seen(1)
            other = tasks.create_task((await connect()).ask(GET.replace(b"/x", b"/y")))
            await main.seen(2)
            answer.set()
        assert {task.result()[2] for task in asked} == {b"GET /x HTTP/1.1"}
        assert other.result()[2] == b"GET /y HTTP/1.1"
        # Those whose request had not arrived when the answer came have asked again.
        assert len(main.requests) < 20


async def test_websockets_go_to_an_upstream_of_their_own(app: Any, table: MeshTable) -> None:
    async def echo(socket: Any) -> None:
        async for message in socket:
            await socket.send(message.upper())

    async with origin() as main, websockets.serve(echo, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        settings = document(main.url, ws={"upstream": f"ws://127.0.0.1:{port}"}, retries=True, timeouts={"request": 50})
        async with app.gateway(table, settings):
            async with websockets.connect(f"ws://127.0.0.1:{app.port}/api/chat") as client:
                for text in ("one", "two"):
                    await client.send(text)
                    assert await client.recv() == text.upper()
            assert main.requests == []


async def test_base_path_of_the_gateway(app: Any, table: MeshTable, connect: Connect) -> None:
    async with origin() as main, app.gateway(table, {**document(main.url), "basePath": "/edge/"}):
        client = await connect()
        for path in (b"/edge/api/x", b"/api/x"):
            assert (await client.ask(GET.replace(b"/api/x", path)))[2] == b"GET /x HTTP/1.1"
        assert main.requests[0].header(b"x-forwarded-prefix") == b"/edge/api"
