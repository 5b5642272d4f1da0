"""Stored responses on the way through a gateway, in front of services that the test plays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import closing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from harness.fair_queue import ManualFairQueue

from pywatt.errors import ConnectFailed
from pywatt.metrics.recorder import Recorder
from pywatt_services.gateway.cache.options import StoreOptions
from pywatt_services.gateway.cache.response_cache import ResponseCache
from pywatt_services.gateway.cache.store import Store
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics

Scene = Any
NOW = 1_800_000_000.0
HALF = b"HTTP/1.1 200 OK\r\ncache-control: max-age=60\r\ndate: %b\r\ncontent-length: 4\r\n\r\nbo" % (
    formatdate(NOW, usegmt=True).encode()
)
LARGE = b"x" * 400_000


class Now:
    """Runs at once what a thread would."""

    def submit(self, call: Callable[[], None]) -> Future[None]:
        call()
        return Future()

    def shutdown(self) -> None:
        pass


class Caching:
    """A scene with a cache, and its clock."""

    def __init__(
        self, make_scene: Callable[..., Scene], reader: Store, writer: Store, document: Any, **options: Any
    ) -> None:

        self.now = NOW
        queue = ManualFairQueue()
        self.cache = ResponseCache(reader, writer, queue, lambda call: call(), clock=lambda: self.now)
        self.cache._thread = Now()  # type: ignore[assignment]
        self.scene = make_scene({"gateway": {"defaults": document}}, cache=self.cache, queue=queue, **options)

    def get(self, path: bytes = b"/api/x", *fields: bytes, method: bytes = b"GET") -> Answer:
        """Send a request over a new connection."""
        client, transport = self.scene.connect()
        head = b"\r\n".join([method + b" " + path + b" HTTP/1.1", b"Host: a", *fields])
        client.data_received(head + b"\r\n\r\n")
        return Answer(client, transport)

    def respond(self, *fields: bytes, body: bytes = b"body", status: bytes = b"200 OK") -> None:
        """Answer the last request that a service got."""
        date = b"date: " + formatdate(self.now, usegmt=True).encode()
        head = b"".join(
            field + b"\r\n" for field in (b"HTTP/1.1 " + status, b"content-type: text/plain", date, *fields)
        )
        framing = b"" if status.startswith(b"304") else b"content-length: %d\r\n" % len(body)
        self.scene.service.send(head + framing + b"\r\n" + body)

    def asked(self) -> bytes:
        """Return what the services have got since the last call."""
        return b"".join(service.received() for service in self.scene.upstreams.services)

    def store(self, *fields: bytes, path: bytes = b"/api/x", body: bytes = b"body") -> None:
        """Have a response stored."""
        self.get(path)
        self.respond(*fields, body=body)
        self.asked()


class Answer:
    """What a client gets."""

    def __init__(self, client: Any, transport: Any) -> None:
        self.client, self.transport = client, transport
        self.data = b""

    def take(self) -> Answer:
        """Take what has come."""
        self.data += self.transport.take()
        return self

    @property
    def status(self) -> int:
        return int(self.take().data.split()[1]) if self.take().data else 0

    @property
    def body(self) -> bytes:
        return self.take().data.partition(b"\r\n\r\n")[2]

    @property
    def shown(self) -> bytes:
        """The value of X-Cache."""
        return self.header(b"x-cache")

    def header(self, name: bytes) -> bytes:
        lines = self.take().data.partition(b"\r\n\r\n")[0].split(b"\r\n")
        return next((line.partition(b": ")[2] for line in lines if line.lower().startswith(name + b":")), b"")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[Store, Store]]:
    options = StoreOptions()
    with closing(Store(tmp_path / "s", options)) as reader, closing(Store(tmp_path / "s", options)) as writer:
        yield reader, writer


@pytest.fixture(params=["plain", "counted"])
def make(
    make_scene: Callable[..., Scene], stores: tuple[Store, Store], request: pytest.FixtureRequest, tmp_path: Path
) -> Callable[..., Caching]:
    def make(**document: Any) -> Caching:
        metrics = GatewayMetrics(Recorder(tmp_path)) if request.param == "counted" else None
        return Caching(make_scene, *stores, {"httpCache": True, **document}, metrics=metrics)

    return make


@pytest.fixture
def caching(make: Callable[..., Caching]) -> Caching:
    return make()


def test_a_fresh_response_is_used_without_the_service(caching: Caching) -> None:
    first = caching.get()
    caching.respond(b"cache-control: max-age=60")
    assert (first.shown, first.header(b"cache-status")) == (b"MISS", b"pywatt; fwd=uri-miss; stored")
    caching.asked()
    caching.now += 5
    second = caching.get()
    assert (second.status, second.body, second.shown) == (200, b"body", b"HIT")
    assert (second.header(b"age"), second.header(b"cache-status")) == (b"5", b"pywatt; hit; ttl=55")
    assert caching.asked() == b""
    second.client.data_received(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")  # the connection goes on
    assert second.take().data.count(b"200 OK") == 2


def test_a_response_in_pieces_is_stored_once_it_is_whole(caching: Caching) -> None:
    caching.get()
    caching.scene.service.send(HALF)
    assert caching.cache.find(b"any", ()) is None
    caching.scene.service.send(b"dy")
    assert caching.get().body == b"body"


def test_a_response_that_breaks_off_is_not_stored(caching: Caching) -> None:
    caching.get()
    caching.scene.service.send(HALF)
    caching.scene.service.close()
    caching.asked()
    assert caching.get().status == 0
    assert caching.asked()


@pytest.mark.parametrize(
    "field", [b"cache-control: no-store", b"cache-control: private, max-age=9", b"x: y", b"set-cookie: a=b"]
)
def test_a_response_that_is_not_for_all_is_not_used_again(caching: Caching, field: bytes) -> None:
    caching.store(field)
    assert caching.get().status == 0
    assert caching.asked()


def test_head_and_conditions_are_answered_from_the_stored_response(caching: Caching) -> None:
    caching.store(b"cache-control: max-age=60", b'etag: "1"')
    head = caching.get(method=b"HEAD")
    assert (head.status, head.body, head.header(b"content-length")) == (200, b"", b"4")
    known = caching.get(b"/api/x", b'If-None-Match: "1"')
    assert (known.status, known.body, known.header(b"etag"), known.header(b"content-type")) == (304, b"", b'"1"', b"")
    assert caching.get(b"/api/x", b'If-None-Match: "2"').status == 200
    assert caching.asked() == b""


def test_requests_that_pass_by(caching: Caching) -> None:
    caching.store(b"cache-control: max-age=60")
    for field in (b"Cache-Control: no-store", b"Range: bytes=0-1", b"Authorization: Bearer x"):
        caching.get(b"/api/x", field)
        assert field.split(b":")[0] in caching.asked()
        caching.respond()
    caching.get(b"/api/x", method=b"OPTIONS")
    assert caching.asked()


def test_only_if_cached(caching: Caching) -> None:
    assert caching.get(b"/api/x", b"Cache-Control: only-if-cached").status == 504
    caching.store(b"cache-control: max-age=60")
    assert caching.get(b"/api/x", b"Cache-Control: only-if-cached").status == 200


def test_what_a_response_depends_on(caching: Caching) -> None:
    caching.get(b"/api/x", b"Accept-Language: de")
    caching.respond(b"cache-control: max-age=60", b"vary: Accept-Language", body=b"hallo")
    caching.asked()
    assert caching.get(b"/api/x", b"accept-language: de").body == b"hallo"
    assert caching.get(b"/api/x", b"accept-language: en").body == b""
    caching.respond(b"cache-control: max-age=60", b"vary: Accept-Language", body=b"hello")
    assert caching.get(b"/api/x", b"accept-language: en").body == b"hello"
    assert caching.get(b"/api/x", b"accept-language: de").body == b"hallo"


def test_a_stale_response_is_validated(caching: Caching) -> None:
    caching.store(b"cache-control: max-age=60", b'etag: "1"')
    caching.now += 61
    again = caching.get(b"/api/x", b'If-None-Match: "client"')
    asked = caching.asked()
    assert b'if-none-match: "1"' in asked
    assert b'"client"' not in asked
    caching.respond(b"cache-control: max-age=60", status=b"304 Not Modified", body=b"")
    assert (again.status, again.body, again.shown) == (200, b"body", b"REVALIDATED")
    caching.now += 50
    assert caching.get().shown == b"HIT"


def test_a_stale_response_that_has_changed(caching: Caching) -> None:
    caching.store(b"cache-control: max-age=60", b'etag: "1"')
    caching.now += 61
    again = caching.get()
    caching.respond(b"cache-control: max-age=60", body=b"new")
    assert (again.body, again.shown) == (b"new", b"EXPIRED")
    assert caching.get().body == b"new"


def test_one_request_fetches_for_all_that_wait(caching: Caching) -> None:
    answers = [caching.get() for _ in range(5)]
    assert caching.asked().count(b"GET") == 1
    caching.respond(b"cache-control: max-age=60")
    caching.scene.fair_queue.give_all()
    assert [answer.body for answer in answers] == [b"body"] * 5
    assert [answer.shown for answer in answers] == [b"MISS", *[b"HIT"] * 4]


def test_those_that_wait_for_a_response_that_is_not_stored_ask_at_once_and_later_ones_do_not_wait(
    caching: Caching,
) -> None:
    answers = [caching.get() for _ in range(3)]
    caching.respond(b"cache-control: no-store")
    caching.asked()
    caching.scene.fair_queue.give_all()
    assert caching.asked().count(b"GET") == 2
    caching.get()
    caching.get()
    assert caching.asked().count(b"GET") == 2
    assert answers[0].status == 200


@pytest.mark.parametrize("leaves", ["client", "service"])
def test_when_the_one_that_fetches_fails_others_ask(caching: Caching, leaves: str) -> None:
    first, second, third = (caching.get() for _ in range(3))
    caching.asked()
    third.transport.close()
    if leaves == "client":
        first.transport.close()
    else:
        caching.scene.service.send(b"no HTTP\r\n\r\n")
    caching.scene.fair_queue.give_all()
    assert caching.asked().count(b"GET") == 1
    caching.respond(b"cache-control: max-age=60")
    assert second.body == b"body"


def test_those_that_wait_too_long_ask_themselves(caching: Caching) -> None:
    for _ in range(3):
        caching.get()
    caching.asked()
    caching.scene.fair_queue.pass_time()
    caching.scene.fair_queue.give_all()
    assert caching.asked().count(b"GET") == 2


def test_another_worker_fetches(caching: Caching, stores: tuple[Store, Store]) -> None:
    caching.get()
    [resource] = caching.cache._fills
    caching.scene.service.close()  # nothing was stored
    caching.scene.fair_queue.give_all()
    caching.asked()
    stores[1].release(resource)
    assert stores[1].lease(resource, caching.now, 5.0)
    waits = caching.get()
    caching.cache._poll(caching.cache._fills[resource])
    caching.scene.fair_queue.give_all()
    assert caching.asked() == b""
    stores[1].release(resource)
    caching.cache._poll(caching.cache._fills[resource])
    caching.scene.fair_queue.give_all()
    caching.respond(b"cache-control: max-age=60")
    assert waits.body == b"body"


def test_stale_while_revalidate(caching: Caching) -> None:
    caching.store(b"cache-control: max-age=60, stale-while-revalidate=60", b'etag: "1"')
    caching.now += 61
    assert [caching.get().shown for _ in range(3)] == [b"STALE"] * 3
    asked = caching.asked()
    assert asked.count(b"GET") == 1
    assert b'if-none-match: "1"' in asked
    caching.respond(b"cache-control: max-age=60", body=b"new")
    assert (caching.get().body, caching.asked()) == (b"new", b"")


@pytest.mark.parametrize("how", ["304", "500", "lost", "late", "large"])
def test_how_fetching_anew_can_end(caching: Caching, how: str) -> None:
    caching.store(b"cache-control: max-age=60, stale-while-revalidate=60", b'etag: "1"')
    caching.now += 61
    caching.get()
    service = caching.scene.service
    if how == "304":
        caching.respond(b"cache-control: max-age=60", status=b"304 Not Modified", body=b"")
    elif how == "500":
        caching.respond(status=b"500 No", body=b"")
    elif how == "lost":
        service.close()
    elif how == "large":
        caching.respond(b"cache-control: max-age=60", body=b"x" * 1_100_000)
    else:
        caching.scene.fair_queue.pass_time()
    assert caching.cache.refreshing == set()
    assert caching.get().shown == (b"HIT" if how == "304" else b"STALE")


@pytest.mark.parametrize("how", ["status", "begun", "connect", "late"])
def test_stale_if_error(make: Callable[..., Caching], how: str) -> None:
    caching = make(httpCache={"staleIfError": 60_000}, headers={"response": {"set": {"x-a": "b"}}})
    caching.store(b"cache-control: max-age=60", b"location: http://api.plt.local/there")
    caching.now += 61
    caching.scene.upstreams.idle.clear()
    caching.scene.upstreams.hold_dials = True
    stands_in = caching.get()
    if how == "status":
        caching.scene.upstreams.open()
        caching.respond(status=b"503 No")
    elif how == "begun":
        caching.scene.upstreams.open().send(b"HTTP/1.1 503 No\r\ncontent-length: 9\r\n\r\nsor")
    elif how == "connect":
        caching.scene.upstreams.fail(ConnectFailed("nobody"))
    else:
        caching.scene.upstreams.open()
        caching.scene.pass_time(301)
    assert (stands_in.status, stands_in.body, stands_in.shown) == (200, b"body", b"STALE")
    assert stands_in.header(b"x-a") == b"b"
    assert stands_in.header(b"location").endswith(b"/api/there")


def test_a_failure_without_a_stored_response(caching: Caching) -> None:
    caching.scene.upstreams.hold_dials = True
    answer = caching.get()
    caching.scene.upstreams.fail(ConnectFailed("nobody"))
    assert answer.status == 502


@pytest.mark.parametrize("method", [b"POST", b"PUT", b"PATCH", b"DELETE"])
def test_an_unsafe_request_makes_stored_responses_of_its_target_wrong(caching: Caching, method: bytes) -> None:
    caching.store(b"cache-control: max-age=60")
    caching.store(b"cache-control: max-age=60", path=b"/api/y")
    caching.get(method=method)
    caching.respond(b"location: /api/y")
    caching.asked()
    assert [caching.get(path).status for path in (b"/api/x", b"/api/y")] == [0, 0]


def test_an_unsafe_request_that_fails_changes_nothing(caching: Caching) -> None:
    caching.store(b"cache-control: max-age=60")
    caching.get(method=b"DELETE")
    caching.respond(status=b"403 No")
    assert caching.get().shown == b"HIT"


def test_other_hosts_and_queries_are_other_responses(caching: Caching) -> None:
    caching.store(b"cache-control: max-age=60")
    assert caching.get(b"/api/x?a=1").status == 0
    assert caching.get(b"http://b/api/x").status == 0
    assert caching.asked().count(b"GET") == 2


def test_large_responses(make: Callable[..., Caching]) -> None:
    caching = make(httpCache={"maxEntrySize": 500_000})
    caching.store(b"cache-control: max-age=60", body=LARGE)
    answer = caching.get()
    assert 0 < len(answer.body) < len(LARGE)
    answer.client.pause_writing()
    caching.scene.fair_queue.give_all()
    assert len(answer.body) < len(LARGE)
    answer.client.resume_writing()
    caching.scene.fair_queue.give_all()
    assert answer.body == LARGE
    leaves = caching.get()
    leaves.transport.close()
    caching.scene.fair_queue.give_all()
    caching.store(b"cache-control: max-age=60", path=b"/api/larger", body=LARGE * 2)
    assert caching.get(b"/api/larger").status == 0


def test_what_a_policy_refuses_is_not_answered_from_the_cache(make: Callable[..., Caching]) -> None:
    caching = make(ipAccess={"deny": ["192.0.2.9"]})
    caching.store(b"cache-control: max-age=60")
    client, transport = caching.scene.connect("192.0.2.9")
    client.data_received(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert transport.take().startswith(b"HTTP/1.1 403")


def test_responses_of_a_route_with_authentication_have_to_say_that_they_are_for_all(
    make: Callable[..., Caching],
) -> None:
    caching = make(auth={"apiKeys": {"shop": "secret-key-of-the-shop"}})
    key = b"X-API-Key: secret-key-of-the-shop"
    for control, shown in ((b"max-age=60", b""), (b"public, max-age=60", b"HIT")):
        caching.get(b"/api/x", key)
        caching.respond(b"cache-control: " + control)
        caching.asked()
        assert caching.get(b"/api/x", key).shown == shown
        caching.scene.fair_queue.give_all()
    assert caching.get().status == 401


def test_what_other_features_do_to_a_response_is_not_stored(
    make: Callable[..., Caching],
) -> None:
    headers = {"response": {"set": {"x-to": "{client.ip}"}}}
    caching = make(headers=headers, compression={"encodings": ["gzip"], "minSize": 1})
    caching.store(b"cache-control: max-age=60")
    answer = caching.get(b"/api/x", b"Accept-Encoding: gzip")
    assert answer.take().data.count(b"x-to") == 1
    assert answer.header(b"content-encoding") == b"gzip"
    assert caching.get().body == b"body"


def test_a_store_that_fails(caching: Caching, stores: tuple[Store, Store], caplog: pytest.LogCaptureFixture) -> None:
    stores[0].close()
    stores[1].close()
    for _ in range(2):
        answer = caching.get()
        caching.respond(b"cache-control: max-age=60")
        assert answer.body == b"body"
    assert len([record for record in caplog.records if "response cache cannot be used" in record.message]) == 1
