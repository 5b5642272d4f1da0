"""URLs and endpoints."""

from __future__ import annotations

import pytest

from pywatt.errors import MeshError
from pywatt.http.client.address import Location, TcpAddress, UnixAddress, locate_url, parse_endpoint


@pytest.mark.parametrize(
    ("url", "location"),
    [
        ("http://h:81/x", Location(TcpAddress("h", 81), b"h:81", b"/x")),
        ("https://h/x", Location(TcpAddress("h", 443, tls=True), b"h", b"/x")),
        ("http://[::1]:80/", Location(TcpAddress("::1", 80), b"[::1]:80", b"/")),
    ],
)
def test_location_of_a_url(url: str, location: Location[TcpAddress]) -> None:
    assert locate_url(url) == location


@pytest.mark.parametrize(
    "url",
    ["api/x", "ftp://h/", "http://", "http://u:p@h/", "http://h:x/", "http://h/a b", "http://h/\r\nx", "http://h/ä"],
)
def test_urls_that_cannot_be_called(url: str) -> None:
    with pytest.raises(MeshError):
        locate_url(url)


def test_endpoints() -> None:
    assert parse_endpoint("unix:/run/a.sock") == UnixAddress("/run/a.sock")
    assert parse_endpoint("tcp:127.0.0.1:80") == TcpAddress("127.0.0.1", 80)
    with pytest.raises(ValueError, match="endpoint"):
        parse_endpoint("carrier-pigeon")
