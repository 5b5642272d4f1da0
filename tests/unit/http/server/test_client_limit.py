"""The number of clients is limited by the limit of open files: idle ones go first, then new ones are refused."""

from __future__ import annotations

import logging

import pytest

from pywatt.http.server.client_limit import SAMPLE, FullWarning, client_limit, longest_idle
from pywatt.http.server.open_connections import OpenConnections


class Client:
    def __init__(self, *, idle: bool, since: float = 0.0) -> None:
        self.idle = idle
        self.since = since
        self.closed = self.refused = False

    def close(self) -> None:
        self.closed = True

    def refuse_for_want_of_room(self) -> None:
        self.refused = True

    def look_at_time(self, now: float) -> None:
        pass


@pytest.mark.parametrize(("open_files", "clients"), [(20, 16), (256, 96), (1024, 480), (20_000, 9968)])
def test_half_of_the_files_are_for_calls(open_files: int, clients: int) -> None:
    assert client_limit(open_files) == clients


def test_the_client_that_has_been_idle_for_longest_goes() -> None:
    clients = [Client(idle=False, since=1), Client(idle=True, since=3), Client(idle=True, since=2)]
    assert longest_idle(clients) is clients[2]
    assert longest_idle(clients[:1]) is None
    assert longest_idle([Client(idle=False)] * SAMPLE + clients) is None


def test_a_new_client_takes_the_place_of_an_idle_one() -> None:
    connections: OpenConnections[Client] = OpenConnections(limit=2)
    idle, busy, new = Client(idle=True), Client(idle=False), Client(idle=True)
    for each in (idle, busy, new):
        connections.add(each)
    assert (idle.closed, busy.closed, new.refused) == (True, False, False)


def test_a_new_client_is_refused_when_all_are_served() -> None:
    connections: OpenConnections[Client] = OpenConnections(limit=2)
    new = Client(idle=True)
    for each in (Client(idle=False), Client(idle=False), new):
        connections.add(each)
    assert new.refused


def test_one_warning_tells_of_all(caplog: pytest.LogCaptureFixture) -> None:
    warning = FullWarning()
    warning.tick(0.0, 96)
    for refused in (True, True, False):
        warning.count(refused=refused)
    warning.tick(1.0, 96)
    warning.count(refused=True)
    warning.tick(2.0, 96)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "2 new clients were refused, 1 idle connections closed" in caplog.text
    warning.tick(11.0, 96)
    assert "1 new clients were refused, 0 idle connections closed" in caplog.text
