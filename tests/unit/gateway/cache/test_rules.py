"""What a shared cache may store and use (RFC 9111)."""

from __future__ import annotations

from dataclasses import replace
from email.utils import formatdate
from typing import Any

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.gateway.cache.directives import LONGEST, date, directives, has_same_tag, seconds
from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.options import CacheOptions, StoreOptions, cache_options, store_options
from pywatt_services.gateway.cache.rules import (
    CONDITIONS,
    Use,
    bypasses,
    conditions,
    is_known_to_client,
    refreshed,
    replaces_failure,
    store,
    use_of,
    variant_key,
)

NOW = 1_800_000_000.0
DATE = (b"date", formatdate(NOW, usegmt=True).encode())
Header = tuple[bytes, bytes]


def made(*headers: Header, status: int = 200, request: tuple[Header, ...] = (), **options: Any) -> Entry | None:
    return store(CacheOptions(**options), request, status, [DATE, *headers], NOW, 0.0)


def entry(*headers: Header, **options: Any) -> Entry:
    found = made(*headers, **options)
    assert found is not None
    return found


def said(text: bytes) -> Header:
    return b"cache-control", text


@pytest.mark.parametrize(
    ("control", "lifetime"),
    [
        (b"max-age=60", 60),
        (b"max-age=60, s-maxage=5", 5),
        (b"S-MaxAge=5", 5),
        (b'max-age="60"', 60),
        (b"public, max-age=99999999999999", LONGEST),
        (b"max-age=60, max-age=10", 10),
        (b"no-cache, max-age=60", None),  # without a validator there is no use for it
        (b"max-age=-1", None),
        (b"max-age=x", None),
        (b"max-age=0", None),
        (b"no-store", None),
        (b"private, max-age=60", None),
        (b'private="set-cookie", max-age=60', None),
        (b"public", None),
        (b"", None),
    ],
)
def test_the_time_for_which_a_response_is_stored(control: bytes, lifetime: float | None) -> None:
    found = made(said(control))
    assert (None if found is None else found.lifetime) == lifetime


def test_other_ways_to_say_it() -> None:
    later = formatdate(NOW + 30, usegmt=True).encode()
    assert entry((b"expires", later)).lifetime == 30
    assert made((b"expires", b"0")) is None
    assert entry((b"expires", b"0"), said(b"max-age=9")).lifetime == 9
    assert made(default_ttl=None) is None
    assert entry(default_ttl=7.0).lifetime == 7
    assert made(default_ttl=7.0, request=((b"cookie", b"a=b"),)) is None
    assert made(default_ttl=7.0, status=302) is None
    assert entry(said(b"max-age=5"), request=((b"cookie", b"a=b"),)).lifetime == 5


@pytest.mark.parametrize("status", [206, 304, 500, 503, 401, 403, 101])
def test_other_statuses_are_not_stored(status: int) -> None:
    assert made(said(b"max-age=60"), status=status) is None


def test_what_is_for_one_client_is_not_stored() -> None:
    assert made(said(b"max-age=60"), (b"set-cookie", b"a=b")) is None
    assert made(said(b"max-age=60"), (b"vary", b"*")) is None
    assert made(said(b"max-age=60"), request=((b"cache-control", b"no-store"),)) is None


def test_responses_to_requests_with_credentials() -> None:
    authorized = ((b"authorization", b"Bearer x"),)
    assert made(said(b"max-age=60"), request=authorized) is None
    for control in (b"public, max-age=60", b"s-maxage=60", b"max-age=60, must-revalidate"):
        assert use_of(entry(said(control), request=authorized), authorized, NOW) is Use.FRESH
    assert use_of(entry(said(b"max-age=60")), authorized, NOW) is Use.NONE


@pytest.mark.parametrize(
    ("control", "asked", "passed", "use"),
    [
        (b"max-age=60", b"", 59, Use.FRESH),
        (b"max-age=60", b"", 60, Use.NONE),
        (b"max-age=60", b"no-cache", 1, Use.NONE),
        (b"max-age=60", b"max-age=10", 11, Use.NONE),
        (b"max-age=60", b"max-age=10", 9, Use.FRESH),
        (b"max-age=60", b"min-fresh=10", 51, Use.NONE),
        (b"max-age=60", b"max-age=0", 1, Use.NONE),
        (b"max-age=60, stale-while-revalidate=30", b"", 89, Use.WHILE_REVALIDATE),
        (b"max-age=60, stale-while-revalidate=30", b"", 90, Use.NONE),
        (b"max-age=60, stale-while-revalidate=30", b"min-fresh=1", 70, Use.NONE),
        (b"max-age=60, stale-while-revalidate=30, must-revalidate", b"", 61, Use.NONE),
        (b"s-maxage=60, stale-while-revalidate=30", b"", 61, Use.WHILE_REVALIDATE),
    ],
)
def test_the_use_of_a_stored_response(control: bytes, asked: bytes, passed: float, use: Use) -> None:
    headers = ((b"cache-control", asked),) if asked else ()
    assert use_of(entry(said(control)), headers, NOW + passed) is use
    tagged = entry(said(control), (b"etag", b'"a"'))
    assert use_of(tagged, headers, NOW + passed) is (Use.VALIDATE if use is Use.NONE else use)


def test_pragma_counts_where_there_is_no_cache_control() -> None:
    fresh = entry(said(b"max-age=60"))
    assert use_of(fresh, ((b"pragma", b"no-cache"),), NOW) is Use.NONE
    assert use_of(fresh, ((b"pragma", b"no-cache"), (b"cache-control", b"max-age=60")), NOW) is Use.FRESH


def test_a_response_that_must_always_be_validated() -> None:
    found = entry(said(b"no-cache"), (b"last-modified", DATE[1]))
    assert use_of(found, (), NOW) is Use.VALIDATE
    assert conditions(found) == [(b"if-modified-since", DATE[1])]
    assert not replaces_failure(found, (), NOW)


def test_age() -> None:
    assert entry(said(b"max-age=60"), (b"age", b"50")).age_at(NOW + 5) == 55
    assert made(said(b"max-age=60"), (b"age", b"60")) is None
    old = store(CacheOptions(), (), 200, [said(b"max-age=60"), DATE], NOW + 20, 0.0)
    assert old is not None
    assert old.age == 20
    waited = store(CacheOptions(), (), 200, [said(b"max-age=60"), DATE], NOW, 3.0)
    assert waited is not None
    assert waited.age == 3


def test_in_place_of_a_failure() -> None:
    found = entry(said(b"max-age=60, stale-if-error=30"))
    assert replaces_failure(found, (), NOW + 89)
    assert not replaces_failure(found, (), NOW + 90)
    assert replaces_failure(entry(said(b"max-age=60"), stale_if_error=10.0), (), NOW + 69)
    assert not replaces_failure(entry(said(b"max-age=60"), stale_if_error=10.0), ((b"authorization", b"x"),), NOW)


def test_a_304_makes_a_stored_response_fresh_again() -> None:
    old = replace(
        entry(said(b"max-age=60"), (b"etag", b'"a"'), (b"x-a", b"1"), (b"content-type", b"a/b")), body=b"body"
    )
    date_then = (b"date", formatdate(NOW + 100, usegmt=True).encode())
    new = [date_then, said(b"max-age=9"), (b"etag", b'"a"'), (b"x-a", b"2"), (b"content-type", b"c/d")]
    found = refreshed(CacheOptions(), old, (), new, NOW + 100, 0.0)
    assert found is not None
    assert (found.body, found.lifetime, found.age_at(NOW + 100)) == (b"body", 9, 0)
    assert dict(found.headers)[b"x-a"] == b"2"
    assert dict(found.headers)[b"content-type"] == b"a/b"
    assert refreshed(CacheOptions(), old, (), [date_then, said(b"no-store")], NOW, 0.0) is None


def test_requests_that_have_nothing_to_do_with_the_cache() -> None:
    assert bypasses(((b"range", b"bytes=0-1"),))
    assert bypasses(((b"cache-control", b"max-age=0, no-store"),))
    assert bypasses(((b"if-match", b'"a"'),))
    assert not bypasses(((b"if-none-match", b'"a"'), (b"cache-control", b"no-cache")))


def test_conditions_of_clients() -> None:
    found = entry(said(b"max-age=60"), (b"etag", b'W/"a"'), (b"last-modified", DATE[1]))
    assert conditions(found) == [(b"if-none-match", b'W/"a"'), (b"if-modified-since", DATE[1])]
    assert is_known_to_client(found, ((b"if-none-match", b'"b", "a"'),))
    assert is_known_to_client(found, ((b"if-none-match", b"*"),))
    assert not is_known_to_client(found, ((b"if-none-match", b'"b"'), (b"if-modified-since", DATE[1])))
    assert is_known_to_client(found, ((b"if-modified-since", DATE[1]),))
    assert not is_known_to_client(found, ((b"if-modified-since", b"yesterday"),))
    assert not is_known_to_client(replace(found, status=404), ((b"if-none-match", b"*"),))
    assert not has_same_tag(b'"a"', b"")


def test_vary() -> None:
    def key(*headers: Header) -> bytes:
        return variant_key(b"r", (b"accept", b"x-a"), headers)

    assert key((b"accept", b"a, b")) == key((b"accept", b"a"), (b"accept", b"b"), (b"other", b"c"))
    assert len({key(), key((b"accept", b"")), key((b"x-a", b"a")), key((b"accept", b"a")), key((b"accept", b"b"))}) == 5
    assert entry(said(b"max-age=1"), (b"vary", b"X-B, Accept"), (b"vary", b"x-b")).vary == (b"accept", b"x-b")


def test_tags() -> None:
    headers = (said(b"max-age=1"), (b"cache-tag", b"a, b"), (b"surrogate-key", b"c  d"), (b"x-tags", b"e"))
    assert entry(*headers).tags == ("a", "b", "c", "d")
    assert entry(*headers, tags_header=b"x-tags").tags == ("e",)
    assert len(entry(said(b"max-age=1"), (b"cache-tag", b",".join(b"%d" % n for n in range(999)))).tags) == 64


def test_options() -> None:
    assert cache_options(None) is cache_options(False) is None
    assert cache_options(True) == CacheOptions()
    block = {"cacheByDefault": 500, "staleWhileRevalidate": 1000, "staleIfError": 2000, "maxEntrySize": 9}
    assert cache_options({**block, "cacheTagsHeader": "X-Tags"}) == CacheOptions(
        default_ttl=0.5, stale_while_revalidate=1.0, stale_if_error=2.0, max_entry_size=9, tags_header=b"x-tags"
    )
    assert store_options({}) == StoreOptions()
    assert store_options({"httpCache": {"maxSize": 5, "maxCount": 6}}) == StoreOptions(max_size=5, max_count=6)


WORDS = b'no-store no-cache private public must-revalidate max-age=5 max-age=0 s-maxage=3 = " x'.split()
NAMES = b"expires age etag last-modified vary date set-cookie pragma".split()
values = st.sampled_from(WORDS) | st.binary(max_size=9)
controls = st.lists(values, max_size=4).map(lambda found: said(b",".join(found)))
others = st.tuples(st.sampled_from([*NAMES, *CONDITIONS]), st.binary(max_size=12) | st.just(DATE[1]) | st.just(b'"a"'))
headers_of_any_kind = st.lists(controls | others | st.just((b"authorization", b"x")), max_size=5)


@fuzz
@given(
    headers_of_any_kind,
    headers_of_any_kind,
    headers_of_any_kind,
    st.sampled_from([200, 404, 302, 500]),
    st.integers(-5, 20),
)
def test_nothing_is_used_that_must_not_be(
    request: list[Header], response: list[Header], later: list[Header], status: int, passed: int
) -> None:
    options = CacheOptions(default_ttl=4.0, stale_while_revalidate=3.0, stale_if_error=3.0)
    found = store(options, request, status, response, NOW, 0.0)
    own = directives(response)
    if found is None:
        return
    assert not {b"no-store", b"private"} & own.keys()
    assert b"no-store" not in directives(request)
    assert b"set-cookie" not in {name for name, _ in response}
    use = use_of(found, later, NOW + passed)
    if use in (Use.FRESH, Use.WHILE_REVALIDATE):
        assert b"no-cache" not in own
        assert b"no-cache" not in directives(later)
        age = found.age_at(NOW + passed)
        limit = seconds(own, b"s-maxage")
        limit = seconds(own, b"max-age") if limit is None else limit
        if limit is not None:
            assert age < limit + (3 if use is Use.WHILE_REVALIDATE else 0)
        if b"must-revalidate" in own:
            assert use is Use.FRESH
        if b"authorization" in {name for name, _ in later}:
            assert {b"public", b"s-maxage", b"must-revalidate"} & own.keys()
    assert Entry.read(found.head(), b"") == found


@fuzz
@given(st.binary(max_size=80))
def test_any_date_and_any_directive(text: bytes) -> None:
    date(text)
    for name in directives([said(text)]):
        assert seconds(directives([said(text)]), name) in range(LONGEST + 1)
