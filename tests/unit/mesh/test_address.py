"""URLs that may name a service of the app."""

from __future__ import annotations

import pytest

from pywatt.http.client.address import Location, TcpAddress
from pywatt.mesh.address import Destination, ServiceAddress, locate, unknown_service


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("http://API.plt.local", Location(ServiceAddress("api"), b"api.plt.local", b"/")),
        ("http://api.plt.local/a?b#c", Location(ServiceAddress("api"), b"api.plt.local", b"/a?b")),
        ("http://h:81/x", Location(TcpAddress("h", 81), b"h:81", b"/x")),
        ("https://h/x", Location(TcpAddress("h", 443, tls=True), b"h", b"/x")),
        ("https://api.plt.local/", Location(TcpAddress("api.plt.local", 443, tls=True), b"api.plt.local", b"/")),
    ],
)
def test_location_of_a_url(url: str, location: Location[Destination]) -> None:
    assert locate(url) == location


def test_unknown_service_names_the_nearest_first() -> None:
    assert "known: api, worker, gateway" in unknown_service("apo", ["gateway", "worker", "api"]).message
