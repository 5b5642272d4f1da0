"""The options of the composed document, from the original's keys."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import pywatt_schemas
from pywatt.service_type import OptionsError, Placement
from pywatt_services.gateway import TYPE
from pywatt_services.gateway.openapi.options import ApiSource, DocumentationOptions
from pywatt_services.gateway.options import GatewayOptions


def configure(block: dict[str, Any], folder: Path = Path("/app")) -> GatewayOptions:
    Draft202012Validator(pywatt_schemas.load("gateway")).validate({"gateway": block})
    placement = Placement(id="gateway", path=folder, services=("gateway", "api", "shop"))
    options = TYPE.configure({"gateway": block}, placement).options
    assert isinstance(options, GatewayOptions)
    assert pickle.loads(pickle.dumps(options)) == options
    return options


def source(**entry: Any) -> ApiSource:
    options = configure({"applications": [{"id": "api", **entry}]})
    assert options.documentation is not None
    return options.documentation.sources[0]


def test_nothing_is_composed_by_default() -> None:
    assert configure({}).documentation is None
    assert configure({"openapi": False}).documentation is None


def test_the_place_of_a_document() -> None:
    made = source(openapi=True, proxy={"prefix": "/v1", "rewritePrefix": "/own"})
    assert (made.url, made.local, made.prefix, made.rewrite_prefix, made.only_documented) == (
        "http://api.plt.local/openapi.json", "api", "/v1", "/own", False,
    )  # fmt: skip
    remote = source(openapi={"url": "/docs/json"}, origin="https://a.example")
    assert (remote.url, remote.local, remote.prefix, remote.only_documented) == (
        "https://a.example/docs/json", None, "", True,
    )  # fmt: skip
    assert source(openapi={"url": "http://b.example/x"}).local is None
    assert source(openapi={"file": "a.json"}, proxy={}).file == Path("/app/a.json")


def test_a_service_that_is_reached_by_its_document_has_a_route_behind_others_of_more_paths() -> None:
    applications: list[dict[str, Any]] = [
        {"id": "shop", "proxy": {"prefix": "/"}},
        {"id": "api", "openapi": True},
    ]
    options = configure({"applications": applications})
    assert [(proxy.id, proxy.prefix, proxy.documented is not None) for proxy in options.proxies] == [
        ("api", "", True), ("shop", "", False), ("documentation", "/documentation", False),
    ]  # fmt: skip


def test_both_ways_to_a_service() -> None:
    options = configure(
        {"applications": [{"id": "api", "openapi": {"prefix": "/api/v1"}, "proxy": {"prefix": "/raw"}}]}
    )
    assert [(proxy.id, proxy.prefix) for proxy in options.proxies][:2] == [("api", "/api/v1"), ("api", "/raw")]


def test_the_composed_document() -> None:
    block = {"title": "Shop", "info": {"license": {"name": "MIT"}}, "prefix": "docs/", "servers": [{"url": "/a"}]}
    made = configure({"openapi": block, "refreshTimeout": 500}).documentation
    info = {"title": "Shop", "version": "1.0.0", "license": {"name": "MIT"}}
    assert made == DocumentationOptions(sources=(), prefix="/docs", info=info, servers=({"url": "/a"},), refresh=0.5)
    hidden = configure({"openapi": False, "applications": [{"id": "api", "openapi": True}]})
    assert [proxy.id for proxy in hidden.proxies] == ["api"]


def problems(block: dict[str, Any], folder: Path = Path("/app")) -> list[tuple[str | None, str]]:
    with pytest.raises(OptionsError) as failed:
        configure(block, folder)
    assert all(problem.hint for problem in failed.value.problems)
    return [(problem.key, problem.message) for problem in failed.value.problems]


def test_graphql_is_not_composed() -> None:
    message = "GraphQL schemas are not composed"
    assert problems({"graphql": {}, "applications": [{"id": "api", "graphql": True}]}) == [
        ("gateway.applications[0].graphql", message),
        ("gateway.graphql", message),
    ]


def test_the_file_of_what_is_left_out(tmp_path: Path) -> None:
    def ignored(document: Any) -> frozenset[tuple[str, str]]:
        (tmp_path / "c.json").write_text(document if isinstance(document, str) else json.dumps(document))
        options = configure({"applications": [{"id": "api", "openapi": {"config": "c.json"}}]}, tmp_path)
        assert options.documentation is not None
        return options.documentation.sources[0].ignored

    paths = {
        "/a": {"ignore": True},
        "/b": {"post": {"ignore": True}, "get": {"ignore": False}},
        "/c": {"ignore": False},
    }
    assert ignored({"paths": paths}) == {("/a", "*"), ("/b", "post")}
    assert ignored({}) == frozenset()
    wrongs: list[Any] = ["{", {"paths": []}, {"paths": {"/a": 1}}, {"paths": {"/a": {"alias": "/b"}}}, "[" * 100_000]
    for wrong in wrongs:
        with pytest.raises(OptionsError):
            ignored(wrong)
    (tmp_path / "c.json").unlink()
    [(key, message)] = problems({"applications": [{"id": "api", "openapi": {"config": "c.json"}}]}, tmp_path)
    assert (key, message) == (
        "gateway.applications[0].openapi.config",
        f"{tmp_path / 'c.json'}: No such file or directory",
    )


def test_a_url_and_a_file_exclude_each_other() -> None:
    validator = Draft202012Validator(pywatt_schemas.load("gateway"))
    applications = [{"id": "api", "openapi": {"url": "/a", "file": "b"}}]
    assert not validator.is_valid({"gateway": {"applications": applications}})
