"""Whatever a client sends, all policies together answer it once or pass it on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.fuzz import fuzz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

Scene = Any
MakeScene = Callable[..., Scene]
POLICIES = {
    "ipAccess": {"deny": ["203.0.113.0/24"]},
    "cors": {"origin": ["https://*.example", "null"], "credentials": True},
    "rateLimit": {"max": 3, "by": "header:x-key"},
    "bodyLimit": 8,
    "auth": {"basic": {"users": {"ann": "secret"}}, "apiKeys": {"shop": "key"}, "jwt": {"secret": "s" * 32}},
    "securityHeaders": True,
    "headers": {
        "request": {"set": {"X-User": "{claim.sub}", "X-Seen": "{request.header.origin} {request.path} {client.ip}"}},
        "response": {"set": {"X-Back": "{request.header.x-key}"}},
    },
}
NAMES = [b"authorization", b"origin", b"x-forwarded-for", b"x-key", b"x-api-key", b"access-control-request-headers"]
VALUES = [
    b"",
    b"Basic YW5uOnNlY3JldA==",
    b"Bearer e30.e30.",
    b"key",
    b"null",
    b"https://a.example",
    b"203.0.113.7, ::1",
]
value = st.one_of(
    st.sampled_from(VALUES), st.binary(max_size=40).map(lambda data: bytes(byte for byte in data if byte > 31))
)
fields = st.lists(st.tuples(st.sampled_from(NAMES), value), max_size=6)
body = st.sampled_from(
    [
        b"\r\n",
        b"Content-Length: 8\r\n\r\nabcdefgh",
        b"Content-Length: 9\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n5\r\nabcde\r\n0\r\n\r\n",
    ]
)


requests = st.lists(st.tuples(st.sampled_from([b"GET", b"POST", b"OPTIONS", b"HEAD"]), fields, body), max_size=5)


@settings(fuzz, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests)
def test_each_request_has_one_outcome(
    make_scene: MakeScene, sent: list[tuple[bytes, list[tuple[bytes, bytes]], bytes]]
) -> None:
    scene = make_scene(
        {"server": {"trustProxy": True}, "gateway": {"applications": [{"id": "api", "proxy": POLICIES}]}}
    )
    for method, headers, rest in sent:
        client, transport = scene.connect()
        client.data_received(b"%b /api/x HTTP/1.1\r\nHost: x\r\n" % method)
        client.data_received(b"".join(b"%b: %b\r\n" % header for header in headers) + rest)
        scene.fair_queue.give_all()
        received = scene.service.received() if scene.upstreams.services else b""
        if received:
            # Who is passed on has shown credentials, and comes from an address that is admitted.
            assert b"key" in received or b"YW5uOnNlY3JldA==" in received
            assert not received.partition(b"X-Seen")[2].partition(b"\r\n")[0].rpartition(b" ")[2].startswith(b"203.0.")
            assert received.count(b"X-Seen: ") == 1
            if b"9\r\n\r\n" not in rest and b"chunked" not in rest:
                scene.service.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        response = transport.take()
        assert response.count(b"HTTP/1.1 ") <= 1
        assert received or response.startswith(b"HTTP/1.1 ")
        head = response.partition(b"\r\n\r\n")[0].lower()
        assert head.count(b"\r\naccess-control-allow-origin:") <= 1
        transport.close()
