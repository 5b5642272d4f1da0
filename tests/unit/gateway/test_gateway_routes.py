"""Routing of a request: its service and its path."""

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
        proxy("shop", "", hostname="shop.example"),
        proxy("blog", "", hostname="blog.example"),
        proxy("feed", "/feed", hostname="blog.example"),
        proxy("narrow", "/narrow", routes=("/", "/items/:id", "/files/*")),
    ]
)


@pytest.mark.parametrize(
    ("method", "host", "path", "service", "upstream"),
    [
        (b"GET", b"h", b"/api", "api", b"/"),
        (b"GET", b"h", b"/api/", "api", b"/"),
        (b"HEAD", b"h", b"/api/x/y", "api", b"/x/y"),
        (b"PURGE", b"h", b"/api/x", "api", b"/x"),
        (b"PURGE", b"h", b"/", None, b""),
        (b"GET", b"h", b"/apis", "root", b"/apis"),
        (b"GET", b"h", b"/api/v2", "v2", b"/new"),
        (b"GET", b"h", b"/api/v2/x", "v2", b"/new/x"),
        (b"GET", b"h", b"/api/v20", "api", b"/v20"),
        (b"GET", b"h", b"/", "root", b"/"),
        (b"POST", b"h", b"/", None, b""),
        (b"GET", b"h", b"/api//evil", "api", b"/evil"),
        (b"GET", b"Shop.Example", b"/cart", "shop", b"/cart"),
        (b"GET", b"shop.example:80", b"/api/x", "shop", b"/api/x"),
        (b"GET", b"shop.example.:80", b"/", "shop", b"/"),
        (b"GET", b"[::1]", b"/api", "api", b"/"),
        (b"PUT", b"h", b"/shop/cart", None, b""),
        (b"PUT", b"blog.example", b"/api/x", "blog", b"/api/x"),
        (b"PUT", b"blog.example", b"/feed/x", "feed", b"/x"),
        (b"PUT", b"h", b"/feed/x", None, b""),
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
