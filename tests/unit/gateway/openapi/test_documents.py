"""Documents are fetched when a service has workers, again when it has others, and again when that failed."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from pywatt.errors import ConnectFailed
from pywatt.http.client.call import Response
from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState
from pywatt_services.gateway.openapi import documents as module
from pywatt_services.gateway.openapi.documents import ApiDocuments
from pywatt_services.gateway.openapi.options import ApiSource, DocumentationOptions
from pywatt_services.gateway.openapi.page import answer, web_files
from pywatt_services.gateway.openapi.paths import DocumentedPaths

LOCAL = ApiSource(service="api", url="http://api.plt.local/openapi.json", local="api", prefix="/api")
REMOTE = ApiSource(service="far", url="http://far.example/openapi.json", prefix="/far")


def document(*paths: str) -> bytes:
    return json.dumps({"openapi": "3.1.0", "paths": {path: {"get": {}} for path in paths}}).encode()


class FakeMesh:
    """Plays services and their workers."""

    def __init__(self) -> None:
        self.table = MeshTable(1)
        self.answers: dict[str, bytes | int | Exception] = {}
        self.requests: list[str] = []
        self._changed = asyncio.Event()

    def run(self, *workers: str) -> None:
        endpoints = tuple(Endpoint(worker, f"unix:/{worker}") for worker in workers)
        service = MeshService(id="API", state=ServiceState.READY, port=1, endpoints=endpoints)
        self.table = MeshTable(self.table.version + 1, {"API": service})
        self._changed.set()
        self._changed = asyncio.Event()

    async def changed(self) -> None:
        await self._changed.wait()

    async def request(self, method: str, url: str, *, timeout: float | None = None) -> Response:
        self.requests.append(url)
        found = self.answers[url]
        if isinstance(found, Exception):
            raise found
        return Response(found, (), b"") if isinstance(found, int) else Response(200, (), found)


@asynccontextmanager
async def following(mesh: FakeMesh, *sources: ApiSource, **options: Any) -> AsyncIterator[ApiDocuments]:
    documented = [DocumentedPaths(source) for source in sources if source.only_documented]
    made = ApiDocuments(DocumentationOptions(sources=sources, **options), mesh, lambda *_: True, documented)
    task = asyncio.ensure_future(made.run())
    yield made
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def until(fact: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while True:
            if fact():
                return
            await asyncio.sleep(0)


async def paths(documents: ApiDocuments, *expected: str) -> None:
    """Wait until the document has these paths."""
    await until(
        lambda: list(json.loads(documents.rendered.json or b'{"paths": {"none yet": 1}}')["paths"]) == [*expected]
    )


async def test_a_document_is_fetched_once_there_are_workers_and_after_a_reload() -> None:
    mesh = FakeMesh()
    mesh.answers[LOCAL.url] = document("/a")
    async with following(mesh, LOCAL) as documents:
        await paths(documents)
        assert mesh.requests == []
        mesh.run("api/0/1")
        await paths(documents, "/api/a")
        first = documents.rendered.etag
        mesh.answers[LOCAL.url] = document("/b")
        mesh.run("api/0/2")
        await paths(documents, "/api/b")
        assert documents.rendered.etag != first


async def test_a_document_that_cannot_be_used_is_reported_once_and_the_others_stay(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY", 0.0)
    mesh = FakeMesh()
    mesh.run("api/0/1")
    mesh.answers = {LOCAL.url: b'{"swagger": "2.0"}', REMOTE.url: document("/x")}
    async with following(mesh, LOCAL, REMOTE) as documents:
        await paths(documents, "/far/x")
        await until(lambda: mesh.requests.count(LOCAL.url) > 3)
        mesh.answers[LOCAL.url] = 404
        await until(lambda: "status" in caplog.text)
        mesh.answers[LOCAL.url] = ConnectFailed("nobody listens")
        await until(lambda: "nobody listens" in caplog.text)
        mesh.answers[LOCAL.url] = document("/a")
        await paths(documents, "/api/a", "/far/x")
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    start = f"openapi: the document of 'api' ({LOCAL.url}) is left out: "
    assert [warning.removeprefix(start)[:20] for warning in warnings] == [
        "it is of Swagger 2.0", "the status of the re", "nobody listens",
    ]  # fmt: skip


async def test_documents_of_other_hosts_are_fetched_again_from_time_to_time() -> None:
    mesh = FakeMesh()
    mesh.answers[REMOTE.url] = document("/a")
    async with following(mesh, REMOTE, refresh=0.001) as documents:
        await paths(documents, "/far/a")
        mesh.answers[REMOTE.url] = document("/b")
        await paths(documents, "/far/b")


async def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"openapi: 3.1.0\npaths: {/f: {get: {}}}")
    source = ApiSource(service="api", file=tmp_path / "a.yaml", prefix="/api", only_documented=True)
    mesh = FakeMesh()
    async with following(mesh, source) as documents:
        await paths(documents, "/api/f")
        assert documents._documented[source].fullmatch(b"/f")
        assert b"/api/f" in documents.rendered.yaml


async def test_the_page_and_the_document() -> None:
    mesh = FakeMesh()
    mesh.answers[REMOTE.url] = document("/a")
    async with following(mesh, REMOTE, prefix="/a/docs") as documents:
        await paths(documents, "/far/a")
        rendered = documents.rendered

    def get(rest: bytes, *, method: bytes = b"GET", none_match: bytes = b"") -> tuple[int, dict[bytes, bytes], bytes]:
        status, headers, body = answer(method, rest, b"/a/docs", none_match, rendered)
        return status, dict(headers), body

    assert get(b"")[:2] == (302, {b"location": b"docs/"})
    status, headers, body = get(b"/")
    assert (status, headers[b"content-type"]) == (200, b"text/html; charset=utf-8")
    assert b"'unsafe" not in headers[b"content-security-policy"]
    assert b"http:" not in body
    assert {name for name in web_files() if name in body} == {b"page.css", b"page.js"}
    assert get(b"/page.js")[0] == 200
    status, headers, body = get(b"/json")
    assert (status, json.loads(body)["servers"]) == (200, [{"url": "../.."}])
    assert get(b"/json", none_match=headers[b"etag"])[0] == 304
    assert get(b"/yaml", none_match=headers[b"etag"])[0] == 200
    assert get(b"/../x")[0] == get(b"/none")[0] == 404
    assert get(b"/json", method=b"POST")[0] == 405
