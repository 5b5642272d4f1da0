"""URL templates: a record's value cannot change other parts of the URL."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.mesh.address import locate
from pywatt_kafka import Header, Message
from pywatt_services.kafka_hooks.webhooks.templates import TemplateError, UrlMaker, check_template, sample

BASE = "http://api.plt.local"


def message(key: bytes | None = b"k", value: bytes | None = b"{}", headers: tuple[Header, ...] = ()) -> Message:
    return Message("orders.eu", 3, 17, key, value, headers, 0)


def test_every_kind_of_place() -> None:
    make = UrlMaker(
        BASE + "/{record.topic}/{record.partition}/{record.offset}/{record.key}"
        "?tenant={header.X-Tenant}&id={json.order.items[1].id}&paid={json.paid}"
    )
    value = json.dumps({"order": {"items": [{}, {"id": 7.5}]}, "paid": True}).encode()
    assert make(message(b"a b", value, (("x-tenant", b"\xc3\xbc&x=1"),))) == (
        f"{BASE}/orders.eu/3/17/a%20b?tenant=%C3%BC%26x%3D1&id=7.5&paid=true"
    )


@given(st.binary(min_size=1, max_size=20))
def test_key_stays_one_segment_and_one_field(key: bytes) -> None:
    make = UrlMaker(BASE + "/a/{record.key}/b?k={record.key}&z=1")
    try:
        url = make(message(key))
    except TemplateError:
        assert b"." in key
        return
    parts = urlsplit(url)
    before, segment, after = parts.path.removeprefix("/").split("/")
    assert (before, unquote_to_bytes(segment), after) == ("a", key, "b")
    assert parse_qs(parts.query, encoding="latin-1")["k"] == [key.decode("latin-1")]
    assert (parts.netloc, parts.fragment) == ("api.plt.local", "")
    locate(url)


@pytest.mark.parametrize("key", [b"..", b".", b"../x", b"a/../b", b"a/..", b"..\\x"])
def test_key_that_would_lead_elsewhere_is_refused(key: bytes) -> None:
    with pytest.raises(TemplateError, match="another path"):
        UrlMaker(BASE + "/a/{record.key}")(message(key))


@pytest.mark.parametrize("key", [b"...", b"a..b", b".a", b"1.5"])
def test_other_dots_are_harmless(key: bytes) -> None:
    assert UrlMaker(BASE + "/{record.key}")(message(key)).endswith(key.decode())


@pytest.mark.parametrize(
    ("place", "record"),
    [
        ("record.key", message(key=None)),
        ("record.key", message(key=b"")),
        ("header.x", message()),
        ("json.a", message()),
        ("json.a", message(value=b'{"a": null}')),
        ("json.a", message(value=b'{"a": {}}')),
        ("json.a", message(value=b"not json")),
        ("json.a", message(value=None)),
        ("json.a[0]", message(value=b'{"a": []}')),
    ],
)
def test_record_without_what_is_asked_for_has_no_url(place: str, record: Message) -> None:
    with pytest.raises(TemplateError, match="the record has no"):
        UrlMaker(f"{BASE}/{{{place}}}")(record)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://{header.host}/x", "may not choose the host"),
        ("{header.scheme}://x/", "may not choose the host"),
        ("http://api.{record.key}/x", "may not choose the host"),
        ("http://api.plt.local:{header.port}", "may not choose the host"),
        (BASE + "/{record.value}", "is none of"),
        (BASE + "/{}", "is none of"),
        (BASE + "/{json.a..b}", "not a path"),
        (BASE + "/{record.key", "brace"),
    ],
)
def test_template_that_cannot_work_is_refused(url: str, message: str) -> None:
    with pytest.raises(TemplateError, match=message):
        check_template(url)


def test_sample_is_a_url() -> None:
    assert sample(BASE + "/{record.key}?a={header.a}") == BASE + "/x?a=x"


@given(st.recursive(st.none() | st.booleans() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)))
def test_any_value_is_survived(value: Any) -> None:
    try:
        url = UrlMaker(BASE + "/{json.a}")(message(value=json.dumps({"a": value}).encode()))
    except TemplateError:
        return
    assert urlsplit(url).netloc == "api.plt.local"
