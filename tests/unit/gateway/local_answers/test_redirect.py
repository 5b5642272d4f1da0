"""Redirects lead where their options say, whatever a request holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

import pywatt_schemas
from pywatt.http.target import split_target
from pywatt.service_type import OptionsError, Placement
from pywatt_services.gateway import TYPE
from pywatt_services.gateway.local_answers.options import RedirectOptions, StaticOptions
from pywatt_services.gateway.local_answers.redirect import location
from pywatt_services.gateway.options import GatewayOptions


def options(proxy: dict[str, Any]) -> Any:
    document = {"gateway": {"applications": [{"id": "old", "proxy": {"prefix": "/old", **proxy}}]}}
    Draft202012Validator(pywatt_schemas.load("gateway")).validate(document)
    configured = TYPE.configure(document, Placement(id="gateway", path=Path("/app"), services=("gateway", "api")))
    assert isinstance(configured.options, GatewayOptions)
    assert configured.calls == ()
    return configured.options.proxies[0].local


@pytest.mark.parametrize(
    ("to", "path", "query", "expected"),
    [
        ("/new", b"/x", b"?a=1", b"/base/new"),
        ("/new{request.rest}{request.query}", b"/x", b"?a=1", b"/base/new/x?a=1"),
        ("/new{request.rest}", b"", b"", b"/base/new"),
        ("{request.rest}", b"", b"", b"/base/"),
        ("{request.rest}", b"//evil.example", b"", b"/base/evil.example"),
        ("/{request.rest}", b"/evil.example", b"", b"/base/evil.example"),
        ("//evil.example", b"", b"", b"/base/evil.example"),
        ("https://new.example{request.rest}{request.query}", b"/x", b"?a", b"https://new.example/x?a"),
        ("https://{request.host}{request.rest}", b"/x", b"", b"https://shop.example/x"),
        ("{request.path}", b"//evil.example", b"", b"/base/old//evil.example"),
        ("https://{request.host}:8443/", b"/x", b"", b"https://shop.example:8443/"),
    ],
)
def test_location(to: str, path: bytes, query: bytes, expected: bytes) -> None:
    found = location(
        RedirectOptions(to=to),
        host=b"shop.example:80",
        base_path=b"/base",
        path=b"/old" + path,
        prefix=b"/old",
        query=query,
    )
    assert found == expected


PIECES = st.sampled_from(
    [b"/", b"//", b"\\", b"%5C", b"%2f", b"..", b".", b"evil.example", b"@", b":", b"%00", b"%0d%0a", b"?", b"x"]
)


@given(
    st.lists(PIECES, max_size=8),
    st.sampled_from(
        ["{request.rest}", "/{request.rest}{request.query}", "/new{request.rest}", "https://good.example{request.rest}"]
    ),
)
def test_no_request_changes_the_host(pieces: list[bytes], to: str) -> None:
    path, query, _ = split_target(b"GET", b"/old/" + b"".join(pieces))
    if not path.startswith(b"/old"):
        return
    found = location(RedirectOptions(to=to), host=b"me", base_path=b"", path=path, prefix=b"/old", query=query)
    assert b"\r" not in found
    assert b"\n" not in found
    where = urlsplit(urljoin("http://me/old/", found.decode()))
    assert where.netloc == ("good.example" if "good" in to else "me")


@pytest.mark.parametrize(
    ("proxy", "expected"),
    [
        ({"redirect": "/x"}, RedirectOptions(to="/x", status=302)),
        (
            {"redirect": {"to": "https://a/{request.rest}", "status": 308}},
            RedirectOptions(to="https://a/{request.rest}", status=308),
        ),
        ({"static": "dist"}, StaticOptions(root=Path("/app/dist"))),
        (
            {
                "static": {
                    "root": "/srv",
                    "index": "a.html",
                    "fallback": "b",
                    "dotfiles": True,
                    "cacheControl": "no-store",
                }
            },
            StaticOptions(root=Path("/srv"), index=("a.html",), fallback="b", dotfiles=True, cache_control="no-store"),
        ),
    ],
)
def test_options(proxy: dict[str, Any], expected: object) -> None:
    assert options(proxy) == expected


@pytest.mark.parametrize(
    ("proxy", "message"),
    [
        ({"redirect": ""}, "no address"),
        ({"redirect": "new"}, "no address"),
        ({"redirect": "https://{request.rest}"}, "no address"),
        ({"redirect": "https://a.{request.host}/"}, "no address"),
        ({"redirect": "/{request.host}"}, "no address"),
        ({"redirect": "https://a{request.query}"}, "no address"),
        ({"redirect": "/ü"}, "no address"),
        ({"redirect": "/{pfad}"}, "{pfad} is not known"),
        ({"redirect": "/x", "static": "y"}, "both"),
        ({"redirect": "/x", "upstream": "http://a"}, "both"),
        ({"static": "x", "retries": True}, "both"),
        ({"static": {"root": "x", "fallback": "../secret"}}, "not a file in the folder"),
        ({"static": {"root": "x", "index": ["/etc/passwd"]}}, "not a file in the folder"),
    ],
)
def test_what_is_wrong_is_said(proxy: dict[str, Any], message: str) -> None:
    with pytest.raises(OptionsError) as caught:
        options(proxy)
    assert message in caught.value.problems[0].message
    assert caught.value.problems[0].hint
    assert caught.value.problems[0].key.startswith("gateway.applications[0].proxy.")
