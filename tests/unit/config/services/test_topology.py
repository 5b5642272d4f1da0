"""Start levels and circles of dependencies."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config import ServiceConfig
from pywatt.config.services.topology import find_cycle, public_paths, start_levels

IDS = st.integers(0, 7).map(str)


def services(graph: dict[str, list[str]]) -> list[ServiceConfig]:
    return [
        ServiceConfig(id=name, path=Path("/x"), type="python", dependencies=tuple(names))
        for name, names in graph.items()
    ]


def test_levels_keep_the_order_of_the_services() -> None:
    graph = {"gateway": ["api", "hooks"], "worker": ["hooks"], "hooks": [], "api": [], "last": ["gateway", "api"]}
    assert start_levels(services(graph)) == (("hooks", "api"), ("gateway", "worker"), ("last",))
    assert start_levels([]) == ()


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        ({"a": ["b"], "b": ["a"]}, r"a -> b -> a|b -> a -> b"),
        ({"a": ["a"]}, "a -> a"),
        ({"a": ["zz"]}, "unknown dependencies: zz"),
    ],
)
def test_impossible_order(graph: dict[str, list[str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        start_levels(services(graph))


@given(st.dictionaries(IDS, st.lists(IDS, unique=True, max_size=4), max_size=8))
def test_either_a_circle_or_an_order(graph: dict[str, list[str]]) -> None:
    graph = {name: [other for other in names if other in graph] for name, names in graph.items()}
    cycle = find_cycle(graph)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(after in graph[before] for before, after in pairwise(cycle))
        return
    levels = start_levels(services(graph))
    rank = {name: number for number, level in enumerate(levels) for name in level}
    assert sorted(rank) == sorted(graph)
    for name, names in graph.items():
        assert rank[name] == max((rank[other] + 1 for other in names), default=0)


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
