"""Responses in place of a service that has failed."""

from __future__ import annotations

import pytest
from harness.connection import MemoryTransport

from pywatt.supervisor.fallback_connection import MAX_CLIENTS, SECONDS, FallbackClients, FallbackConnection

REASON = "api crashed"


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def clients(clock: Clock) -> FallbackClients:
    return FallbackClients(clock)


def connect(clients: FallbackClients) -> tuple[FallbackConnection, MemoryTransport]:
    connection, transport = FallbackConnection(clients, lambda: REASON), MemoryTransport()
    transport.set_protocol(connection)
    connection.connection_made(transport)
    return connection, transport


def test_a_request_gets_the_reason_and_the_connection_is_closed(clients: FallbackClients) -> None:
    _, transport = connect(clients)
    transport.receive(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    head, _, body = b"".join(transport.writes).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 503 Service Unavailable"
    assert {b"retry-after: 1", b"connection: close"} <= set(lines)
    assert REASON.encode() in body
    assert transport.closed


def test_a_response_to_head_has_no_body(clients: FallbackClients) -> None:
    _, transport = connect(clients)
    transport.receive(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n")
    assert b"".join(transport.writes).endswith(b"\r\n\r\n")


async def test_an_upload_gets_its_response_and_is_discarded(clients: FallbackClients) -> None:
    _, transport = connect(clients)
    transport.receive(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab")
    assert transport.writes[0].startswith(b"HTTP/1.1 503")
    assert transport.ended
    assert not transport.closed


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\n"])
async def test_a_slow_client_is_closed(clients: FallbackClients, clock: Clock, sent: bytes) -> None:
    _, transport = connect(clients)
    transport.receive(sent)
    clock.now += SECONDS + 1
    clients.clients.tick()
    clock.now += SECONDS + 1
    clients.clients.tick()
    assert transport.closed


def test_clients_above_the_limit_are_broken_off(clients: FallbackClients) -> None:
    opened = [connect(clients)[1] for _ in range(MAX_CLIENTS + 1)]
    assert [transport.closed for transport in opened] == [False] * MAX_CLIENTS + [True]
