"""A service that writes into the channel between its worker and the supervisor ends at most that worker."""

from __future__ import annotations

from contextlib import suppress

import httpx
import pytest
from harness.app import Start
from harness.apps import gateway_and_api

CODE = """
import gc, os
from pywatt.channel.stream import Channel

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body")
    (channel,) = [one for one in gc.get_objects() if isinstance(one, Channel)]
    if body == b"close":
        channel._on_closed = lambda: None
        channel.close()
    elif body:
        channel._transport.write(body)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(os.getpid()).encode()})
"""
MANY = {"maxDelay": 0, "intensity": 1000}


def framed(message: str) -> bytes:
    return len(message).to_bytes(4, "big") + message.encode()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (framed('{"kind":"TableApplied","version":"x"}'), "a TableApplied of another form"),
        (framed('{"kind":"TableApplied","version":1000000}'), "never told of version 1000000"),
        (framed('{"kind":"Ready"}'), "reported twice that it is ready"),
        (framed('{"kind":"Ask","id":1,"command":"stop","arguments":{}}'), "not a message for the supervisor"),
        (framed("[" * 50_000), "not a message"),
        (framed("not JSON"), "not a message"),
        (b"\xff" * 64, "beyond the limit"),
        (b"close", "it has closed its channel to the supervisor"),
    ],
    ids=["form", "version", "twice", "not its own", "deep", "junk", "oversized", "closed"],
)
def test_nonsense_in_a_channel_ends_that_worker_alone(start: Start, words: bytes, told: str) -> None:
    files = gateway_and_api(CODE, restart=MANY, gracefulShutdown={"application": 500})
    with start(files) as app:
        before, gateway = int(app.post("/api/").text), app.worker_pid("gateway")
        seen = len(app.lines)
        with suppress(httpx.HTTPError):
            app.post("/api/", content=words)
        line = app.wait_for(lambda line: line.get("child") == before and " ended: " in line["msg"], after=seen)
        assert told in line["msg"]
        app.wait_for_text('started worker 0 of the service "api"', after=seen)
        assert int(app.post("/api/").text) != before
        assert app.worker_pid("gateway") == gateway
        assert "Traceback" not in app.output
        assert app.stop() == 0


def test_half_a_message_is_waited_for(start: Start) -> None:
    with start(gateway_and_api(CODE, restart=MANY)) as app:
        before = int(app.post("/api/").text)
        whole = framed('{"kind":"Degraded","reason":"half and half"}')
        app.post("/api/", content=whole[:20])
        assert int(app.post("/api/", content=whole[20:]).text) == before
        assert app.stop() == 0
