"""Whatever upstreams and clients do, each request gets one response, and nothing stays counted."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from harness.fuzz import fuzz
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pywatt.errors import ConnectFailed

STEPS = st.sampled_from(
    ["ask", "ask", "put", "open", "refuse", "200", "200", "503", "head", "end", "lost", "idle lost", "leave", "wait"]
)
RULES: Any = st.fixed_dictionaries(
    {"deduplication": st.booleans()},
    optional={
        "retries": st.sampled_from([True, 1, {"budget": 0}, {"count": 3, "on": ["503"]}]),
        "breaker": st.sampled_from([False, {"failures": 1, "pause": 10}]),
        "timeouts": st.just({"connect": 1000, "response": 1000, "idle": 1000, "request": 2000}),
        "sticky": st.just("c"),
        "mirror": st.just("http://shadow"),
        "headers": st.just({"response": {"set": {"X-A": "b"}}}),
    },
)
GET = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
PUT = b"PUT /api/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"


class Dial:
    """An attempt to connect, which can be given up alone."""

    def __init__(self, dialing: list[Any], entry: Any) -> None:
        self._dialing = dialing
        self._entry = entry

    def cancel(self) -> None:
        if self._entry in self._dialing:
            self._dialing.remove(self._entry)


def single_dials(upstreams: Any) -> Any:
    """Return what plays the upstreams, with dials that can be given up one by one."""

    class SingleDials(type(upstreams)):  # type: ignore[misc]
        def dial(self, *arguments: Any, **options: Any) -> Any:
            super().dial(*arguments, **options)
            return Dial(self.dialing, self.dialing[-1])

    return SingleDials()


class Course:
    """A gateway with two upstreams, and what has happened to its clients."""

    def __init__(self, make_scene: Callable[..., Any], rules: dict[str, Any]) -> None:
        proxy = {"upstreams": ["http://one", "http://two"], **rules}
        self.scene = make_scene({"gateway": {"applications": [{"id": "api", "proxy": proxy}]}})
        self.scene.server.upstreams = self.scene.upstreams = single_dials(self.scene.upstreams)
        self.scene.upstreams.hold_dials = True
        self.clients: list[tuple[Any, Any]] = []

    def busy(self) -> Any:
        """Return a connection of an upstream with a request on it, None without one."""
        services = self.scene.upstreams.services
        return next((each for each in services if each.connection.state.name == "BUSY"), None)

    def take(self, step: str) -> None:
        scene, service = self.scene, self.busy()
        if step in ("ask", "put"):
            client, transport = scene.connect()
            self.clients.append((client, transport))
            client.data_received(GET if step == "ask" else PUT)
        elif step == "open" and scene.upstreams.dialing:
            scene.upstreams.open()
        elif step == "refuse" and scene.upstreams.dialing:
            scene.upstreams.fail(ConnectFailed("refused"))
        elif step == "leave" and self.clients:
            self.clients.pop(0)[1].close()
        elif step == "idle lost" and scene.upstreams.idle:
            next(
                each for each in scene.upstreams.services if each.connection is scene.upstreams.idle[-1]
            ).transport.close()
        elif service is not None and step == "head" and service.connection._reader.head is None:
            service.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\no")
        elif service is not None and step == "end" and service.connection._reader.head is not None:
            service.send(b"k")
        elif service is not None and step in ("200", "503") and service.connection._reader.head is None:
            service.send(b"HTTP/1.1 %b X\r\ncontent-length: 2\r\n\r\nok" % step.encode())
        elif service is not None and step == "lost":
            service.close()

    def finish(self) -> None:
        """Have everything answered."""
        for _ in range(200):
            while self.scene.upstreams.dialing:
                self.scene.upstreams.open()
            service = self.busy()
            if service is None:
                return
            begun = service.connection._reader.head is not None
            service.send(b"k" if begun else b"HTTP/1.1 200 X\r\ncontent-length: 2\r\n\r\nok")
        raise AssertionError("requests do not end")


@settings(fuzz, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(RULES, st.lists(STEPS, min_size=5, max_size=25))
def test_each_request_is_answered_once(make_scene: Callable[..., Any], rules: dict[str, Any], steps: list[str]) -> None:
    async def run() -> None:
        course = Course(make_scene, rules)
        for step in steps:
            if step == "wait":
                await asyncio.to_thread(lambda: None)
            course.take(step)
        async with asyncio.timeout(20):  # retries at the same upstream wait a little
            course.finish()
            while not all(client.idle or transport.closing for client, transport in course.clients):
                await asyncio.to_thread(lambda: None)
                course.finish()
        for client, transport in course.clients:
            written = transport.take()
            assert transport.aborted or written.count(b"HTTP/1.1 ") == 1, written
            assert client.idle or transport.closing
        registry = course.scene.server.registry
        assert [each.in_flight for each in registry.upstreams.values()] == [0, 0]
        for _, transport in course.clients:
            transport.close()
        for queue in registry._timeouts.values():
            queue.close()

    asyncio.run(run())
