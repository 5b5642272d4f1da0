"""`pywatt routes URL` gives the same answer as the gateway, and a reason for every route."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.target import EscapedSlashes
from pywatt.supervisor.snapshot import plain
from pywatt_services.gateway.options import GatewayOptions, ProxyOptions
from pywatt_services.gateway.policies.header_rules import HeaderRules
from pywatt_services.gateway.policies.options import PolicyOptions
from pywatt_services.gateway.routes import RouteTable
from pywatt_services.gateway.upstreams.options import Match, Target, UpstreamOptions
from pywatt_services.gateway_cli.explanation import explain
from pywatt_services.gateway_cli.gateways import Gateway, Rule, gateways
from pywatt_services.gateway_cli.question import answer, question


def proxy(name: str, prefix: str, **options: Any) -> ProxyOptions:
    return ProxyOptions(id=name, prefix=prefix, origin=f"http://{name}.plt.local", **options)


PROXIES = (
    proxy("root", "", methods=frozenset({"GET"})),
    proxy("api", "/api"),
    proxy("v2", "/api/v2", rewrite_prefix="/new", routes=("/items/:id",)),
    proxy("shop", "", hostname="shop.example"),
)
GATEWAY = Gateway(
    id="gateway",
    base_path="/base",
    escaped_slashes=EscapedSlashes.REJECT,
    rules=tuple(Rule(options=options, policies=()) for options in PROXIES),
)


def ask(url: str, method: str = "GET", **headers: str) -> Any:
    return answer(GATEWAY, question(method, url, list(headers.items())))


@pytest.mark.parametrize(
    ("method", "url", "rule", "target"),
    [
        ("GET", "/api/v2/items/3?x=1", 3, "/new/items/3?x=1"),
        ("GET", "/base/api/v2/items/3", 3, "/new/items/3"),
        ("GET", "/api/v2/other", 2, "/v2/other"),
        ("HEAD", "/nowhere", 1, "/nowhere"),
        ("POST", "http://Shop.Example:80/api", 4, "/api"),
    ],
)
def test_the_rule_that_takes_a_url(method: str, url: str, rule: int, target: str) -> None:
    outcome = ask(url, method)
    assert outcome.taken == rule - 1
    assert outcome.upstream_target == target


def test_every_route_has_a_reason() -> None:
    outcome = ask("/api/x", "POST")
    assert [(each.index + 1, each.why) for each in outcome.verdicts] == [
        (3, "the path is not below /api/v2"),
        (2, "the path is below /api"),
        (1, "not asked: rule 2 has taken the request"),
        (4, "serves the host shop.example only"),
    ]
    outcome = ask("/x", "POST")
    assert (outcome.taken, outcome.status) == (None, 404)
    assert outcome.verdicts[2].why == "takes GET, HEAD only"
    outcome = ask("/api/v2/x")
    assert outcome.verdicts[0].why == "/x matches none of its routes: /items/:id"
    outcome = ask("/", host="shop.example")
    assert outcome.verdicts[1].why == "not asked: the host shop.example has routes of its own"


def test_a_target_that_is_refused_before_routing() -> None:
    outcome = ask("/api/a%2fb")
    assert outcome.status == 400
    assert "encoded slash" in str(outcome.refused)


@pytest.mark.parametrize("url", ["ftp://x/", "http://a b/", "http:///x"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ValueError, match=r"host|http"):
        question("GET", url, [])


PREFIXES = st.sampled_from(["", "/a", "/a/b", "/ab"])
METHODS = st.sampled_from([None, frozenset({"GET"}), frozenset({"POST", "PUT"})])
HOSTS = st.sampled_from(["", "one.example", "two.example"])
ROUTES = st.sampled_from([("/", "/*"), ("/:id",), ("/b", "/b/*")])
TABLES = st.lists(st.tuples(PREFIXES, METHODS, HOSTS, ROUTES), max_size=6)


@given(
    TABLES,
    st.sampled_from([b"GET", b"HEAD", b"POST"]),
    st.sampled_from([b"one.example", b"TWO.example:80", b"other"]),
    st.lists(st.sampled_from([b"a", b"b", b"ab", b"c", b""]), min_size=1, max_size=4),
)
def test_explanation_agrees_with_the_table(
    entries: list[tuple[str, frozenset[str] | None, str, tuple[str, ...]]],
    method: bytes,
    host: bytes,
    segments: list[bytes],
) -> None:
    proxies = [
        proxy(f"s{number}", prefix, methods=methods, hostname=hostname, routes=routes)
        for number, (prefix, methods, hostname, routes) in enumerate(entries)
    ]
    table = RouteTable(proxies)
    path = b"/" + b"/".join(segments)
    verdicts = explain(table, method, host, path)
    found = table.find(method, host, path)
    assert sorted(each.index for each in verdicts) == list(range(len(proxies)))
    assert [table.routes[each.index] for each in verdicts if each.takes] == ([] if found is None else [found])
    assert all(each.why for each in verdicts)


def test_policies_of_a_route_are_named_as_in_its_file() -> None:
    headers = HeaderRules(remove=("server",))
    options = proxy("api", "/api", rewrite_location=False, policies=PolicyOptions(response_headers=headers))
    document = plain(GatewayOptions(proxies=(options,), escaped_slashes=EscapedSlashes.DECODE))
    service = {"id": "edge", "type": "gateway", "options": document}
    others = {"id": "api", "type": "python", "options": {}}
    (found,) = gateways({"base_path": "/", "services": [others, service]})
    assert (found.id, found.base_path, found.escaped_slashes) == ("edge", "", EscapedSlashes.DECODE)
    assert found.rules[0].policies == ("headers", "rewriteLocationHeader: false")
    assert found.rules[0].document()["policies"] == ["headers", "rewriteLocationHeader: false"]


def test_an_upstream_that_the_request_belongs_to() -> None:
    canary = Target(url="http://canary", weight=0, match=Match(header="x-canary", value="1"))
    targets = (Target(url="http://one"), Target(url="http://two"), canary)
    options = proxy("api", "/api", upstreams=UpstreamOptions(targets=targets))
    document = plain(GatewayOptions(proxies=(options,)))
    (found,) = gateways({"base_path": "/", "services": [{"id": "edge", "type": "gateway", "options": document}]})
    assert found.rules[0].policies == ("upstreams",)

    def origins(*headers: tuple[str, str]) -> tuple[str, ...]:
        return answer(found, question("GET", "/api", headers)).origins

    assert origins() == origins(("x-canary", "2")) == ("http://one", "http://two", "http://canary")
    assert origins(("x-canary", "1")) == ("http://canary",)
