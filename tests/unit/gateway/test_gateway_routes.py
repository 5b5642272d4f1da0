"""Which service gets a request, and under which path."""

from __future__ import annotations

import pytest

from pywatt_services.gateway.options import ProxyOptions
from pywatt_services.gateway.routes import RouteTable


def proxy(name: str, prefix: str, **options: object) -> ProxyOptions:
    return ProxyOptions(id=name, prefix=prefix, origin=f"http://{name}.plt.local", **options)  # type: ignore[arg-type]


TABLE = RouteTable(
    [
        proxy("api", "/api"),
        proxy("v2", "/api/v2", rewrite_prefix="/new"),
        proxy("root", "", methods=frozenset({"GET"})),
        proxy("shop", "/shop", hostname="shop.example"),
        proxy("narrow", "/narrow", routes=("/", "/items/:id", "/files/*")),
    ]
)


@pytest.mark.parametrize(
    ("method", "host", "path", "service", "upstream"),
    [
        (b"GET", b"h", b"/api", "api", b"/"),
        (b"GET", b"h", b"/api/", "api", b"/"),
        (b"HEAD", b"h", b"/api/x/y", "api", b"/x/y"),
        (b"PURGE", b"h", b"/api/x", None, b""),
        (b"GET", b"h", b"/apis", "root", b"/apis"),
        (b"GET", b"h", b"/api/v2", "v2", b"/new"),
        (b"GET", b"h", b"/api/v2/x", "v2", b"/new/x"),
        (b"GET", b"h", b"/api/v20", "api", b"/v20"),
        (b"GET", b"h", b"/", "root", b"/"),
        (b"POST", b"h", b"/", None, b""),
        (b"GET", b"h", b"/api//evil", "api", b"/evil"),
        (b"GET", b"Shop.Example", b"/cart", "shop", b"/cart"),
        (b"GET", b"shop.example:80", b"/api/x", "shop", b"/api/x"),
        (b"GET", b"h", b"/shop/cart", "shop", b"/cart"),
        (b"POST", b"h", b"/narrow", "narrow", b"/"),
        (b"POST", b"h", b"/narrow/items/5", "narrow", b"/items/5"),
        (b"POST", b"h", b"/narrow/items/5/x", None, b""),
        (b"POST", b"h", b"/narrow/files/a/b", "narrow", b"/files/a/b"),
        (b"POST", b"h", b"/narrow/other", None, b""),
    ],
)
def test_route(method: bytes, host: bytes, path: bytes, service: str | None, upstream: bytes) -> None:
    route = TABLE.find(method, host, path)
    assert (route.id if route else None) == service
    if route:
        assert route.upstream_path(path) == upstream


@pytest.mark.parametrize(
    ("name", "location", "seen"),
    [
        ("api", b"/login?x", b"/base/api/login?x"),
        ("api", b"http://api.plt.local/login", b"/base/api/login"),
        ("api", b"http://api.plt.local", b"/base/api/"),
        ("api", b"http://api.plt.local.evil/", b"http://api.plt.local.evil/"),
        ("api", b"https://elsewhere.example/", b"https://elsewhere.example/"),
        ("api", b"//elsewhere.example/", b"//elsewhere.example/"),
        ("api", b"relative", b"relative"),
        ("v2", b"/new/login", b"/base/api/v2/login"),
        ("v2", b"/other", b"/base/api/v2/other"),
    ],
)
def test_location_as_clients_see_it(name: str, location: bytes, seen: bytes) -> None:
    route = TABLE.find(b"GET", b"h", {"api": b"/api", "v2": b"/api/v2"}[name])
    assert route is not None
    assert route.public_location(location, b"/base") == seen
