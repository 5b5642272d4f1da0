"""Paths with parameters."""

from __future__ import annotations

import pytest

from pywatt_services.kafka_hooks.http.routes import PathPattern, Routes, path_segments


def routes(*paths: str) -> Routes[str]:
    return Routes((PathPattern.parse(path), path) for path in paths)


@pytest.mark.parametrize(
    ("path", "target", "params"),
    [
        ("/api/process/7", "/api/process/:id", {"id": "7"}),
        ("/api/process/all", "/api/process/all", {}),
        ("/api/process/a%2Fb%20c", "/api/process/:id", {"id": "a/b c"}),
        ("/x/1/y/2", "/x/:a/y/:b", {"a": "1", "b": "2"}),
    ],
)
def test_path_finds_its_route(path: str, target: str, params: dict[str, str]) -> None:
    found = routes("/api/process/:id", "/api/process/all", "/x/:a/y/:b").find(path)
    assert found == (target, params)


@pytest.mark.parametrize("path", ["/api/process", "/api/process/", "/api/process/1/2", "/API/process/1", "/", ""])
def test_other_path_finds_nothing(path: str) -> None:
    assert routes("/api/process/:id").find(path) is None


@pytest.mark.parametrize("path", ["api", "/a/*", "/:a/:a", "/a:b", "/:", "/:a-b", "/a b", "/a?x", "/:9"])
def test_pattern_that_cannot_work_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match=r"starts with|neither|same name"):
        PathPattern.parse(path)


def test_shape_ignores_the_names_of_parameters() -> None:
    assert PathPattern.parse("/a/:x").shape == PathPattern.parse("/a/:y").shape != PathPattern.parse("/b/:x").shape


def test_segments_are_split_before_they_are_decoded() -> None:
    assert path_segments("/topics/a%2Fb") == ("topics", "a/b")
