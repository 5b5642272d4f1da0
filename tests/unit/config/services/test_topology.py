"""Cycles of dependencies, and the paths below which clients reach services."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.services.topology import find_cycle, public_paths

IDS = st.integers(0, 7).map(str)


@given(st.dictionaries(IDS, st.lists(IDS, unique=True, max_size=4), max_size=8))
def test_either_a_cycle_or_an_order(graph: dict[str, list[str]]) -> None:
    graph = {name: [other for other in names if other in graph] for name, names in graph.items()}
    cycle = find_cycle(graph)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(after in graph[before] for before, after in pairwise(cycle))
        return
    done: set[str] = set()
    while next_ones := [name for name, names in graph.items() if name not in done and done.issuperset(names)]:
        done.update(next_ones)
    assert done == graph.keys()


@pytest.mark.parametrize(
    ("leads", "entrypoint", "base_path", "paths"),
    [
        ({}, None, "/", {}),
        ({"api": {}}, "api", "/shop", {"api": "/shop"}),
        ({"gate": {"api": "/api", "web": "/"}}, "gate", "/", {"gate": "/", "api": "/api", "web": "/"}),
        ({"gate": {"api": "/api", "web": "/"}}, "gate", "/b", {"gate": "/b", "api": "/b/api", "web": "/b"}),
        (
            {"inner": {"api": "/api"}, "gate": {"inner": "/in", "gate": "/x"}},
            "gate",
            "/",
            {"gate": "/", "inner": "/in", "api": "/in/api"},
        ),
        (
            {"gate": {"api": "/api"}, "other": {"api": "/other", "web": "/web"}},
            "gate",
            "/",
            {"gate": "/", "api": "/api"},
        ),
        (
            {"gate": {"api": "/api"}, "other": {"web": "/web"}},
            None,
            "/",
            {"gate": "/", "other": "/", "api": "/api", "web": "/web"},
        ),
    ],
)
def test_public_paths(
    leads: dict[str, dict[str, str]], entrypoint: str | None, base_path: str, paths: dict[str, str]
) -> None:
    assert public_paths(leads, entrypoint, base_path) == paths
