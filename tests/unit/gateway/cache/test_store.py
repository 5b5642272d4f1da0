"""The file of responses: its bounds, its tags, and several connections to it."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.gateway.cache.entry import Entry
from pywatt_services.gateway.cache.options import StoreOptions
from pywatt_services.gateway.cache.rules import variant_key
from pywatt_services.gateway.cache.store import Store

SMALL = StoreOptions(max_size=4000, max_count=5)


def entry(body: bytes = b"body", *, vary: tuple[bytes, ...] = (), tags: tuple[str, ...] = ()) -> Entry:
    return Entry(200, ((b"a", b"b"),), body, stored_at=1.0, age=0.0, lifetime=9.0, vary=vary, tags=tags)


def put(
    store: Store, name: str, made: Entry | None = None, *, now: float = 1.0, host: str = "h", language: str = ""
) -> bytes:
    made = made or entry()
    key = variant_key(name.encode(), made.vary, [(b"language", language.encode())])
    store.put(name.encode(), host, f"/{name}", key, made, now)
    return key


def names(store: Store) -> list[str]:
    return [name for name in "abcdefgh" if store.find(name.encode(), ())]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "s.sqlite", SMALL)) as made:
        yield made


def test_what_is_stored_is_found(store: Store) -> None:
    key = put(store, "a")
    assert store.find(b"a", ()) == (key, entry())
    assert store.find(b"b", ()) is None
    assert store.totals() == (entry().size, 1)


def test_variants(store: Store) -> None:
    for language in ("en", "de"):
        put(store, "a", entry(language.encode(), vary=(b"language",)), language=language)
    found = store.find(b"a", [(b"language", b"de"), (b"x", b"y")])
    assert found is not None
    assert found[1].body == b"de"
    assert store.find(b"a", ()) is None


def test_the_least_recently_used_make_room(store: Store) -> None:
    keys = {name: put(store, name, now=index) for index, name in enumerate("abcde")}
    store.touch([keys["a"]], 10.0)
    put(store, "f", now=11.0)
    assert names(store) == ["a", "c", "d", "e", "f"]
    put(store, "g", entry(b"x" * 3000), now=12.0)
    assert "g" in names(store)
    assert store.totals()[0] <= 4000
    put(store, "h", entry(b"x" * 5000), now=13.0)
    assert "h" not in names(store)


def test_removal_by_target_and_tag(store: Store) -> None:
    put(store, "a", entry(tags=("x", "y")))
    put(store, "b", entry(tags=("y",)), host="other")
    put(store, "c")
    assert store.purge(tags=["x"]) == 1
    assert store.purge(target="/b", host="h") == 0
    assert store.purge(target="/b") == 1
    assert store.purge(tags=["y"]) == 0
    assert names(store) == ["c"]
    assert store.purge() == 1
    assert store.totals() == (0, 0)


def test_a_response_that_is_stored_again_has_its_new_tags(store: Store) -> None:
    put(store, "a", entry(tags=("x",)))
    put(store, "a", entry(b"new", tags=("y",)))
    assert store.totals()[1] == 1
    assert store.purge(tags=["x"]) == 0
    assert store.purge(tags=["y"]) == 1


def test_other_processes_see_it_and_one_of_them_fetches(store: Store, tmp_path: Path) -> None:
    with closing(Store(tmp_path / "s.sqlite")) as other:
        put(store, "a")
        assert other.find(b"a", ())
        assert store.lease(b"r", 1.0, 5.0)
        assert not other.lease(b"r", 2.0, 5.0)
        assert other.is_leased(b"r", 2.0)
        assert not other.is_leased(b"r", 6.1)
        assert other.lease(b"r", 6.1, 5.0)
        other.release(b"r")
        assert store.lease(b"r", 6.2, 5.0)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "s.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(sqlite3.Error):
        Store(tmp_path / "s.sqlite")


@fuzz
@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3000), st.booleans()), max_size=20))
def test_the_totals_are_right_and_within_bounds(changes: list[tuple[str, int, bool]]) -> None:
    with tempfile.TemporaryDirectory() as folder, closing(Store(Path(folder) / "s", SMALL)) as store:
        for now, (name, size, removes) in enumerate(changes):
            if removes:
                store.purge(target=f"/{name}")
            else:
                put(store, name, entry(b"x" * size, tags=(name, "all")), now=float(now))
            held = [found[1].size for each in "abcdefgh" if (found := store.find(each.encode(), ()))]
            assert store.totals() == (sum(held), len(held))
            assert sum(held) <= SMALL.max_size
            assert len(held) <= SMALL.max_count
        store.purge(tags=["all"])
        assert store.totals() == (0, 0)
