"""Addresses in response headers in their public form."""

from __future__ import annotations

import pytest

from pywatt_services.gateway.options import ProxyOptions
from pywatt_services.gateway.response_addresses import Addresses
from pywatt_services.gateway.routes import RouteTable


def proxy(name: str, prefix: str, **options: object) -> ProxyOptions:
    return ProxyOptions(id=name, prefix=prefix, **{"origin": f"http://{name}.plt.local", **options})  # type: ignore[arg-type]


TABLE = RouteTable(
    [
        proxy("api", "/api"),
        proxy("v2", "/api/v2", rewrite_prefix="/new"),
        proxy("whole", "/whole", rewrite_prefix="/whole"),
        proxy("root", ""),
        proxy("outside", "/outside", origin="http://127.0.0.1:9000"),
        proxy("shop", "", hostname="shop.example"),
    ]
)
PATHS = {"api": b"/api", "v2": b"/api/v2", "whole": b"/whole", "root": b"/", "outside": b"/outside", "shop": b"/"}


def addresses(name: str, base_path: bytes = b"") -> Addresses:
    host = b"shop.example:3042" if name == "shop" else b"gate.example:3042"
    route = TABLE.find(b"GET", host, PATHS[name])
    assert route is not None
    assert route.id == name
    return Addresses(route, TABLE, base_path, host)


@pytest.mark.parametrize(
    ("name", "given", "seen"),
    [
        # From a service that does not know its prefix, and from one that does.
        ("api", b"/login?x", b"/api/login?x"),
        ("api", b"/api/login?x", b"/api/login?x"),
        ("api", b"/api", b"/api"),
        ("api", b"/api?x", b"/api?x"),
        ("api", b"/api#x", b"/api#x"),
        ("api", b"/apis", b"/api/apis"),
        ("api", b"/", b"/api/"),
        ("api", b"relative", b"relative"),
        ("api", b"?x", b"?x"),
        ("api", b"", b""),
        # The internal origin.
        ("api", b"http://api.plt.local/login", b"/api/login"),
        ("api", b"http://api.plt.local/api/login", b"/api/login"),
        ("api", b"http://api.plt.local", b"/api/"),
        ("api", b"http://api.plt.local?x=1", b"/api/?x=1"),
        ("api", b"http://api.plt.local#x", b"/api/#x"),
        ("api", b"https://api.plt.local:8443/login", b"/api/login"),
        ("api", b"http://api.plt.local:80?x", b"/api/?x"),
        ("api", b"HTTP://API.PLT.LOCAL./login", b"/api/login"),
        ("api", b"ws://api.plt.local/ws", b"/api/ws"),
        ("api", b"//api.plt.local/login", b"/api/login"),
        ("api", b"http://me@api.plt.local/login", b"/api/login"),
        ("outside", b"http://127.0.0.1:9000/x", b"/outside/x"),
        ("outside", b"http://127.0.0.1:9001/x", b"http://127.0.0.1:9001/x"),
        # Origins of other services.
        ("api", b"http://v2.plt.local/x", b"/api/v2/x"),
        ("api", b"http://root.plt.local/x", b"/x"),
        ("api", b"http://shop.plt.local/x", b"//shop.example:3042/x"),
        ("api", b"http://nobody.plt.local/x", b"http://nobody.plt.local/x"),
        # The public origin.
        ("api", b"http://gate.example:3042/api/x", b"http://gate.example:3042/api/x"),
        ("api", b"https://Gate.Example:3042/x?y", b"https://Gate.Example:3042/api/x?y"),
        ("api", b"http://gate.example:3042", b"http://gate.example:3042/api/"),
        ("api", b"http://gate.example:3042/whole/x", b"http://gate.example:3042/whole/x"),
        ("api", b"http://gate.example/x", b"http://gate.example/x"),
        ("root", b"http://gate.example:3042/x", b"http://gate.example:3042/x"),
        ("shop", b"http://shop.example:3042/x", b"http://shop.example:3042/x"),
        # Nobody's business.
        ("api", b"http://api.plt.local.evil/", b"http://api.plt.local.evil/"),
        ("api", b"https://elsewhere.example/", b"https://elsewhere.example/"),
        ("api", b"//elsewhere.example/", b"//elsewhere.example/"),
        ("api", b"mailto:me@api.plt.local", b"mailto:me@api.plt.local"),
        # Behind another prefix than their own.
        ("v2", b"/new/login", b"/api/v2/login"),
        ("v2", b"/new", b"/api/v2"),
        ("v2", b"/new?x", b"/api/v2?x"),
        ("v2", b"/other", b"/api/v2/other"),
        ("v2", b"/api/v2/login", b"/api/v2/login"),
        ("whole", b"/whole/x", b"/whole/x"),
        ("whole", b"/x", b"/whole/x"),
        ("root", b"/x", b"/x"),
        ("shop", b"/x", b"/x"),
    ],
)
def test_url(name: str, given: bytes, seen: bytes) -> None:
    assert addresses(name).url(given) == seen


@pytest.mark.parametrize(
    ("name", "given", "seen"),
    [
        ("api", b"/x", b"/base/api/x"),
        ("api", b"/base/api/x", b"/base/api/x"),
        ("api", b"http://api.plt.local", b"/base/api/"),
        ("api", b"http://gate.example:3042/base/whole", b"http://gate.example:3042/base/whole"),
        ("v2", b"/new/login", b"/base/api/v2/login"),
        ("root", b"/x", b"/base/x"),
    ],
)
def test_url_below_a_base_path(name: str, given: bytes, seen: bytes) -> None:
    assert addresses(name, b"/base").url(given) == seen


@pytest.mark.parametrize(
    ("name", "given", "seen"),
    [
        (b"Location", b"/x", b"/api/x"),
        (b"content-location", b"/x", b"/api/x"),
        (b"refresh", b"5", b"5"),
        (b"refresh", b"5;url=/x", b"5;url=/api/x"),
        (b"refresh", b"5, URL = '/x'", b"5, URL = '/api/x'"),
        (b"refresh", b"0.5;/x", b"0.5;/api/x"),
        (b"link", b"</x>; rel=next", b"</api/x>; rel=next"),
        (b"link", b"<x>;rel=a,</y>", b"<x>;rel=a,</api/y>"),
        (b"link", b'<x>; title="a </y>"', b'<x>; title="a </y>"'),
        (b"set-cookie", b"a=b", b"a=b"),
        (b"set-cookie", b"a=/x; path=/", b"a=/x; path=/"),
        (b"set-cookie", b"a=b; Path=/x", b"a=b; Path=/api/x"),
        (b"set-cookie", b"a=b;path=/api;Secure", b"a=b;path=/api;Secure"),
        (b"set-cookie", b"a=b; Domain=.api.plt.local", b"a=b"),
        (b"set-cookie", b"a=b; domain=example.org; Path=x", b"a=b; domain=example.org; Path=x"),
        (b"x-other", b"/x", b"/x"),
    ],
)
def test_header(name: bytes, given: bytes, seen: bytes) -> None:
    assert addresses("api").headers([(name, given)]) == [(name, seen)]
