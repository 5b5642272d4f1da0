"""Documents of services become one; what cannot be a part is left out with a report."""

from __future__ import annotations

import json
from typing import Any

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.gateway.openapi.compose import Composed, Part, compose
from pywatt_services.gateway.openapi.document import UnusableDocument, read_document
from pywatt_services.gateway.openapi.options import METHODS, ApiSource
from pywatt_services.gateway.openapi.paths import DocumentedPaths, public_path
from pywatt_services.gateway.openapi.references import component_of, references

Document = dict[str, Any]
MULTIPLYING = b"a0: &a0 [x]\n" + b"\n".join(
    b"a%d: &a%d [%b]" % (number, number, b", ".join([b"*a%d" % (number - 1)] * 9)) for number in range(1, 30)
)
"""YAML in which each list has nine of the one before."""


def api(paths: Document | None = None, *, version: str = "3.1.0", **parts: Any) -> Document:
    return {"openapi": version, "info": {"title": "t", "version": "1"}, "paths": paths or {}, **parts}


def get(**operation: Any) -> Document:
    return {"get": {"responses": {}, **operation}}


def part(service: str, document: Document, *, ignored: tuple[tuple[str, str], ...] = (), **source: Any) -> Part:
    read = read_document(json.dumps(document).encode())
    made = ApiSource(service=service, **{"prefix": f"/{service}", **source})
    return Part(
        service=service,
        document=read,
        public_path=lambda path: public_path(made, read.base, path),
        reaches=lambda _method, _path: True,
        ignored=frozenset(ignored),
    )


def composed(*parts: Part) -> Composed:
    return compose(parts, {"title": "all", "version": "2"})


def test_paths_get_the_prefix_and_operations_the_service_as_their_tag() -> None:
    made = composed(part("a", api({"/x": get(), "/y/{id}": get(tags=["own"])})), part("b", api({"/x": get()})))
    assert list(made.document["paths"]) == ["/a/x", "/a/y/{id}", "/b/x"]
    assert made.document["paths"]["/a/x"]["get"]["tags"] == ["a"]
    assert made.document["paths"]["/a/y/{id}"]["get"]["tags"] == ["own"]
    assert made.document["tags"] == [{"name": "a"}, {"name": "b"}, {"name": "own"}]
    assert (made.document["info"]["title"], made.reports) == ("all", [])


@pytest.mark.parametrize(
    ("source", "servers", "path", "public"),
    [
        ({"prefix": "/a"}, [], "/x", "/a/x"),
        ({"prefix": ""}, [], "/x", "/x"),
        ({"prefix": "/a"}, [{"url": "https://b.example/v1"}], "/x", "/a/v1/x"),
        ({"prefix": "/a"}, [{"url": "/{v}", "variables": {"v": {"default": "v2"}}}], "/x", "/a/v2/x"),
        ({"prefix": "/a"}, [{"url": "/a"}], "/x", "/a/x"),
        ({"prefix": "/a", "rewrite_prefix": "/v1"}, [], "/v1/x", "/a/x"),
        ({"prefix": "/a", "rewrite_prefix": "/v1"}, [], "/v10", None),
        ({"prefix": "/a"}, [], "x", None),
        ({"prefix": "/a"}, [{"url": "http://[b/"}], "/x", "/a/x"),
    ],
)
def test_public_paths(source: Document, servers: list[Any], path: str, public: str | None) -> None:
    made = composed(part("a", api({path: get()}, servers=servers), **source))
    assert list(made.document["paths"]) == ([public] if public else [])
    assert bool(made.reports) is (public is None)


def test_components_that_differ_get_the_name_of_their_service() -> None:
    def own(kind: str) -> Document:
        schemas = {
            "Item": {"type": kind},
            "List": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}},
            "Same": {"type": "string"},
        }
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/List"}}}
        return api({"/x": get(responses={"200": {"content": content}})}, components={"schemas": schemas})

    made = composed(part("a b", own("string")), part("b", own("integer")))
    schemas = made.document["components"]["schemas"]
    # List is the same text in both, and refers to different things.
    assert set(schemas) == {"a_b_Item", "a_b_List", "b_Item", "b_List", "Same"}
    assert schemas["b_List"]["items"]["$ref"] == "#/components/schemas/b_Item"
    assert len(made.reports) == 2


def test_a_name_that_is_taken_by_another_component() -> None:
    first = api(components={"schemas": {"Item": {"type": "string"}, "b_Item": {"type": "null"}}})
    second = api(components={"schemas": {"Item": {"type": "integer"}}})
    made = composed(part("a", first), part("b", second))
    assert made.document["components"]["schemas"] == {
        "a_Item": {"type": "string"},
        "b_Item": {"type": "null"},
        "b_Item_": {"type": "integer"},
    }


def test_operation_ids_and_the_links_to_them() -> None:
    link = {"200": {"links": {"l": {"operationId": "read"}, "m": {"operationRef": "#/paths/~1x/get"}}}}
    made = composed(
        part("a", api({"/x": get(operationId="read", responses=link)})), part("b", api({"/x": get(operationId="read")}))
    )
    operation = made.document["paths"]["/a/x"]["get"]
    assert operation["operationId"] == "a_read"
    assert operation["responses"]["200"]["links"] == {
        "l": {"operationId": "a_read"},
        "m": {"operationRef": "#/paths/~1a~1x/get"},
    }
    assert made.reports == ["several services have the operationId 'read', which has the service in its name"]


def test_security_of_a_document_becomes_that_of_its_operations() -> None:
    schemes = {"securitySchemes": {"key": {"type": "http", "scheme": "basic"}}}
    other = {"securitySchemes": {"key": {"type": "http", "scheme": "bearer"}}}
    made = composed(
        part("a", api({"/x": get(), "/y": get(security=[])}, components=schemes, security=[{"key": []}])),
        part("b", api({"/x": get()}, components=other)),
    )
    paths = made.document["paths"]
    assert paths["/a/x"]["get"]["security"] == [{"a_key": []}]
    assert paths["/a/y"]["get"]["security"] == []
    assert "security" not in paths["/b/x"]["get"]
    assert "security" not in made.document


def test_two_services_with_the_same_path() -> None:
    made = composed(
        part("a", api({"/x/{id}": get()}), prefix=""), part("b", api({"/x/{name}": get(), "/y": get()}), prefix="")
    )
    assert list(made.document["paths"]) == ["/x/{id}", "/y"]
    assert made.reports == ["/x/{name} of 'b' is left out: 'a' has the same path"]


def test_what_is_ignored_or_not_passed_on_is_left_out() -> None:
    item = {**get(), "post": {"responses": {}}}
    made = part("a", api({"/x": item, "/y": item, "/z": get()}), ignored=(("/x", "*"), ("/y", "post")))
    reached = Part(
        service="a", document=made.document, public_path=made.public_path, reaches=lambda _, path: path != "/a/z",
        ignored=made.ignored,
    )  # fmt: skip
    result = composed(reached)
    assert {path: [*item] for path, item in result.document["paths"].items()} == {"/a/y": ["get"]}
    assert result.reports == ["GET /a/z of 'a' is left out: the gateway does not pass it on there"]


def test_a_document_of_3_0_among_those_of_3_1() -> None:
    schema = {
        "properties": {
            "nullable": {"type": "string", "nullable": True, "enum": ["a"]},
            "number": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "exclusiveMaximum": False},
            "ref": {"nullable": True, "allOf": [{"$ref": "#/components/schemas/S"}]},
        },
        "example": {"nullable": True, "$ref": "#/components/schemas/S"},
    }
    old = api(version="3.0.3", components={"schemas": {"S": schema}})
    assert composed(part("a", old)).document["openapi"] == "3.0.3"
    assert composed(part("a", old)).document["components"]["schemas"]["S"] == schema
    made = composed(part("a", old), part("b", api())).document
    assert made["openapi"] == "3.1.0"
    assert made["components"]["schemas"]["S"] == {
        "properties": {
            "nullable": {"type": ["string", "null"], "enum": ["a", None]},
            "number": {"type": "number", "exclusiveMinimum": 0},
            "ref": {"anyOf": [{"allOf": [{"$ref": "#/components/schemas/S"}]}, {"type": "null"}]},
        },
        "example": schema["example"],
    }


def test_discriminators() -> None:
    def own(kind: str) -> Document:
        mapping = {"c": "#/components/schemas/Cat", "d": "Cat"}
        return api(components={"schemas": {"Cat": {"type": kind}, "Pet": {"discriminator": {"mapping": mapping}}}})

    made = composed(part("a", own("string")), part("b", own("null"))).document["components"]["schemas"]
    assert made["a_Pet"]["discriminator"]["mapping"] == {"c": "#/components/schemas/a_Cat", "d": "a_Cat"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'{"swagger": "2.0"}', "Swagger 2.0"),
        (b'{"openapi": "4.0.0"}', "known are 3.0 and 3.1"),
        (b"[]", "not an object"),
        (b"<html>", "not valid JSON"),
        (b'{"openapi": "3.1.0", "paths": []}', "paths is not an object"),
        (b'{"openapi": "3.1.0", "paths": {"/x": {"get": 1}}}', "path item of /x"),
        (b'{"openapi": "3.1.0", "paths": {"/x": {"get": {"operationId": 1}}}}', "operationId"),
        (b'{"openapi": "3.1.0", "paths": {"/x": {"get": {"security": 1}}}}', "security"),
        (b'{"openapi": "3.1.0", "components": {"schemas": 3}}', "schemas is not an object"),
        (b"[" * 100_000, "too deeply"),
        (b'{"openapi": "3.1.0", "x-a": ' + b"[" * 101 + b"]" * 101 + b"}", "too deeply"),
        (b"a: &a [x]\nb: &b [*a,*a]\n: [", "neither JSON nor YAML"),
        (MULTIPLYING, "more than"),
        (b"openapi: 3.1.0\na: &a [*a]", "too deeply"),
    ],
)  # fmt: skip
def test_documents_that_cannot_be_used(data: bytes, why: str) -> None:
    with pytest.raises(UnusableDocument, match=why):
        read_document(data)


def test_yaml() -> None:
    assert read_document(b"openapi: 3.1.0\npaths: {/x: {get: {responses: {200: {}}}}}").paths["/x"]["get"] == {
        "responses": {"200": {}}
    }


def test_paths_that_only_a_document_has() -> None:
    source = ApiSource(service="a", prefix="/a", only_documented=True, ignored=frozenset({("/z", "*"), ("/w", "get")}))
    paths = DocumentedPaths(source)
    assert paths.fullmatch(b"/x") is None
    documented = api({"/x.y/{item-id}": get(), "/": get(), "/z": get(), "/w": get(), "/none": {}})
    paths.take(read_document(json.dumps(documented).encode()))
    taken = [
        path for path in (b"/x.y/1", b"/x0y/1", b"/x.y/1/2", b"/", b"/z", b"/w", b"/none") if paths.fullmatch(path)
    ]
    assert taken == [b"/x.y/1", b"/"]


names = st.sampled_from(["A", "B", "a_A", "nullable", "example"])
refs = names.map(lambda name: {"$ref": f"#/components/schemas/{name}"})
schemas = st.recursive(
    refs | st.just({"type": "string"}) | st.booleans(),
    lambda inner: (
        st.fixed_dictionaries({"properties": st.dictionaries(names, inner, max_size=2)})
        | st.lists(inner, max_size=2).map(lambda found: {"anyOf": found})
    ),
    max_leaves=6,
)
documents = st.builds(
    lambda sections, ids: api(
        {f"/{number}": get(operationId=name) for number, name in enumerate(ids)}, components={"schemas": sections}
    ),
    st.dictionaries(names, schemas, max_size=4).map(
        lambda found: {"A": True, "B": True, "a_A": True, "nullable": True, "example": True, **found}
    ),
    st.lists(names, max_size=3, unique=True),
)


@fuzz
@given(st.lists(documents, min_size=1, max_size=3))
def test_every_reference_leads_to_what_its_service_meant(given_documents: list[Document]) -> None:
    services = "abc"[: len(given_documents)]
    made = composed(*(part(service, document) for service, document in zip(services, given_documents, strict=True)))
    found = made.document["components"]["schemas"]
    for reference in references(made.document):
        component = component_of(reference)
        assert component is not None
        assert component[1] in found
    ids = [item["get"]["operationId"] for item in made.document["paths"].values()]
    assert len(ids) == len(set(ids))

    def expand(schema: Any, within: Document, depth: int) -> Any:
        if depth == 0:
            return "..."
        if isinstance(schema, dict):
            if "$ref" in schema:
                return expand(within[schema["$ref"].rpartition("/")[2]], within, depth - 1)
            return {key: expand(value, within, depth) for key, value in schema.items()}
        return [expand(item, within, depth) for item in schema] if isinstance(schema, list) else schema

    for service, document in zip(services, given_documents, strict=True):
        own = document["components"]["schemas"]
        for name, schema in own.items():
            expected = expand(schema, own, 4)
            candidates = [
                expand(found[other], found, 4) for other in found if other.strip("_") in (name, f"{service}_{name}")
            ]
            assert expected in candidates


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "paths",
                    "/x",
                    *METHODS,
                    "components",
                    "schemas",
                    "servers",
                    "url",
                    "security",
                    "tags",
                    "$ref",
                    "properties",
                ]
            )
            | st.text(max_size=4),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@fuzz
@given(
    st.dictionaries(st.sampled_from(["paths", "components", "servers", "security", "tags", "webhooks"]), json_values)
)
def test_any_document_is_composed_or_refused(document: Document) -> None:
    try:
        made = part("a", {"openapi": "3.0.0", **document})
    except UnusableDocument:
        return
    json.dumps(composed(made, part("b", api())).document)
