"""Responses are compressed on their way through the gateway, in parts, and without delay where they are streams."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt.metrics.recorder import Recorder
from pywatt_services.gateway.compression.encoders import Encoder, encoder_of
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics
from pywatt_services.gateway.features.compressing_exchange import PER_TURN, CompressingExchange

Scene = Any
DOCUMENT = {"gateway": {"defaults": {"compression": {"encodings": ["gzip"], "minSize": 8}}}}
LARGE = b"".join(b"%d," % number for number in range(40_000))


def request(method: bytes = b"GET", accept: bytes = b"gzip", version: bytes = b"1.1") -> bytes:
    return b"%b /api/x HTTP/%b\r\nHost: a\r\nAccept-Encoding: %b\r\n\r\n" % (method, version, accept)


def response(body: bytes = b"", *fields: bytes, length: int | None = None, status: bytes = b"200 OK") -> bytes:
    length = len(body) if length is None else length
    kind = b"content-type: application/json"
    head = b"\r\n".join([b"HTTP/1.1 " + status, kind, b"content-length: %d" % length, *fields])
    return head + b"\r\n\r\n" + body


def parsed(data: bytes) -> tuple[dict[bytes, bytes], bytes]:
    """Return the headers of a response and its body, unchunked."""
    head, _, body = data.partition(b"\r\n\r\n")
    headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:])
    if headers.get(b"transfer-encoding") == b"chunked":
        body, rest = b"", body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            body += rest[: int(size, 16)]
            rest = rest[int(size, 16) + 2 :]
    return headers, body


@pytest.fixture(params=["plain", "counted"])
def scene(make_scene: Callable[..., Scene], request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    return make_scene(DOCUMENT, metrics=GatewayMetrics(Recorder(tmp_path)) if request.param == "counted" else None)


def test_a_whole_response_keeps_a_length(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(request())
    scene.service.send(response(b'{"a": 1}' * 9, b'etag: "a"', b"accept-ranges: bytes"))
    headers, body = parsed(transport.take())
    assert gzip.decompress(body) == b'{"a": 1}' * 9
    assert headers[b"content-encoding"] == b"gzip"
    assert headers[b"content-length"] == b"%d" % len(body)
    assert headers[b"vary"] == b"Accept-Encoding"
    assert headers[b"etag"] == b'W/"a"'
    assert b"accept-ranges" not in headers
    client.data_received(request())  # the connection goes on
    assert scene.service.received()


@pytest.mark.parametrize(
    ("accept", "fields", "body", "varies"),
    [
        (b"identity", b"x: y", b"x" * 20, True),
        (b"br", b"x: y", b"x" * 20, True),
        (b"gzip", b"content-encoding: br", b"x" * 20, False),
        (b"gzip", b"cache-control: no-transform", b"x" * 20, False),
        (b"gzip", b"x: y", b"short", False),
    ],
)
def test_responses_that_are_passed_on_as_they_are(
    scene: Scene, accept: bytes, fields: bytes, body: bytes, varies: bool
) -> None:
    client, transport = scene.connect()
    client.data_received(request(accept=accept))
    scene.service.send(response(body, fields))
    headers, passed = parsed(transport.take())
    assert passed == body
    assert (b"vary" in headers) is varies


def test_the_response_to_head_has_the_headers_of_that_to_get(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(request(b"HEAD"))
    scene.service.send(response(length=20))
    headers, body = parsed(transport.take())
    assert body == b""
    assert headers[b"content-encoding"] == b"gzip"
    assert b"content-length" not in headers


def test_a_response_that_is_not_modified(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(request())
    scene.service.send(b'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n')
    headers, _ = parsed(transport.take())
    assert headers[b"etag"] == b'W/"a"'
    assert headers[b"vary"] == b"Accept-Encoding"


def test_a_large_response_is_compressed_in_parts(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(request())
    scene.service.send(response(LARGE))
    turns = 0
    while scene.fair_queue.give_one():
        turns += 1
    assert turns >= len(LARGE) // PER_TURN
    assert gzip.decompress(parsed(transport.take())[1]) == LARGE
    client.data_received(request())
    assert scene.service.received()


def test_the_service_waits_while_there_is_more_than_one_turn_allows(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(request())
    data = response(LARGE, length=len(LARGE) * 2)
    scene.service.send(data)
    assert not scene.service.transport.reading
    scene.fair_queue.give_all()
    assert scene.service.transport.reading
    scene.service.send(LARGE)
    scene.fair_queue.give_all()
    assert gzip.decompress(parsed(transport.take())[1]) == LARGE * 2


def test_a_client_that_leaves_meanwhile_takes_no_other_response_with_it(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(request())
    scene.service.send(response(LARGE))
    assert len(scene.upstreams.idle) == 1
    other, other_transport = scene.connect("192.0.2.8")
    other.data_received(request())  # over the same connection to the service
    transport.close()
    scene.service.send(response(b"x" * 20))
    assert parsed(other_transport.take())[0][b"content-encoding"] == b"gzip"
    scene.fair_queue.give_all()
    assert len(scene.upstreams.services) == 1


EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


async def test_each_event_is_there_at_once_and_the_gateway_can_end_the_stream(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(request())
    scene.service.send(EVENTS)
    decoder = zlib.decompressobj(31)
    headers, _ = parsed(transport.take())
    assert headers[b"content-encoding"] == b"gzip"
    for number in range(3):
        scene.service.send(chunked(b"data: %d\n\n" % number))
        size, _, rest = transport.take().partition(b"\r\n")
        assert decoder.decompress(rest[: int(size, 16)]) == b"data: %d\n\n" % number
    assert len(CompressingExchange.streams) == 1
    await scene.server.end_events()
    size, _, rest = transport.take().partition(b"\r\n")
    assert decoder.decompress(rest[: int(size, 16)]) == b""
    assert decoder.eof
    assert rest.endswith(b"\r\n0\r\n\r\n")
    assert len(CompressingExchange.streams) == 0


def test_a_stream_that_a_client_or_the_service_leaves_is_forgotten(scene: Scene) -> None:
    for leave in ("client", "service"):
        client, transport = scene.connect()
        client.data_received(request())
        scene.service.send(EVENTS + chunked(b"data\n\n"))
        assert len(CompressingExchange.streams) == 1
        (transport if leave == "client" else scene.service).close()
        assert len(CompressingExchange.streams) == 0
        assert transport.closing


def test_too_many_streams_are_passed_on_as_they_are(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pywatt_services.gateway.features.compressing_exchange.MOST_STREAMS", 0)
    client, transport = scene.connect()
    client.data_received(request())
    scene.service.send(EVENTS + chunked(b"data\n\n"))
    headers, body = parsed(transport.take())
    assert b"content-encoding" not in headers
    assert body == b"data\n\n"


def test_a_client_of_http_1_0(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(request(version=b"1.0"))
    scene.service.send(EVENTS)
    scene.service.send(chunked(b"data\n\n") + b"0\r\n\r\n")
    headers, body = parsed(transport.take())
    assert gzip.decompress(body) == b"data\n\n"
    assert headers[b"connection"] == b"close"


def decoded(coding: str, data: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(data)
    if coding == "br":
        import brotli

        result: bytes = brotli.decompress(data)
        return result
    zstandard = pytest.importorskip("zstandard")
    return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data))


def made(coding: str, *, stream: bool, level: int | None = None) -> Encoder:
    try:
        return encoder_of(coding, level)(stream)
    except ImportError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
@pytest.mark.parametrize("level", [None, 1, 9])
@fuzz
@given(st.lists(st.binary(max_size=3000) | st.just(b"large" * 20_000), max_size=5), st.booleans(), st.booleans())
def test_any_body_in_any_pieces(
    coding: str, level: int | None, pieces: list[bytes], stream: bool, flushes: bool
) -> None:
    encoder = made(coding, stream=stream, level=level)
    data = b""
    for piece in pieces:
        data += encoder.compress(piece)
        if flushes:
            data += encoder.flush()
    assert decoded(coding, data + encoder.finish()) == b"".join(pieces)
