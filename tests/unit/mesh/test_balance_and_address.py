"""Selection of a worker for a call, and parsing of URLs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.errors import MeshError
from pywatt.http.client.address import Location, TcpAddress, UnixAddress, parse_endpoint
from pywatt.mesh.address import ServiceAddress, locate, unknown_service
from pywatt.mesh.balance import least_busy


@given(st.lists(st.integers(0, 5), min_size=1), st.integers(0))
def test_a_least_busy_worker_is_chosen(in_flight: list[int], turn: int) -> None:
    assert in_flight[least_busy(in_flight, turn)] == min(in_flight)


def test_equally_busy_workers_take_turns() -> None:
    assert [least_busy([1, 0, 0], turn) for turn in range(4)] == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("http://API.plt.local", Location(ServiceAddress("api"), b"api.plt.local", b"/")),
        ("http://api.plt.local/a?b#c", Location(ServiceAddress("api"), b"api.plt.local", b"/a?b")),
        ("http://h:81/x", Location(TcpAddress("h", 81), b"h:81", b"/x")),
        ("https://h/x", Location(TcpAddress("h", 443, tls=True), b"h", b"/x")),
        ("http://[::1]:80/", Location(TcpAddress("::1", 80), b"[::1]:80", b"/")),
    ],
)
def test_location_of_a_url(url: str, location: Location) -> None:
    assert locate(url) == location


@pytest.mark.parametrize(
    "url",
    ["api/x", "ftp://h/", "http://", "http://u:p@h/", "http://h:x/", "http://h/a b", "http://h/\r\nx", "http://h/ä"],
)
def test_urls_that_cannot_be_called(url: str) -> None:
    with pytest.raises(MeshError):
        locate(url)


def test_endpoints() -> None:
    assert parse_endpoint("unix:/run/a.sock") == UnixAddress("/run/a.sock")
    assert parse_endpoint("tcp:127.0.0.1:80") == TcpAddress("127.0.0.1", 80)
    with pytest.raises(ValueError, match="endpoint"):
        parse_endpoint("carrier-pigeon")


def test_unknown_service_names_the_nearest_first() -> None:
    assert "known: api, worker, gateway" in unknown_service("apo", ["gateway", "worker", "api"]).message
