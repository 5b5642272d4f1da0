"""Fetches the documents of services when they become ready and after their reloads, and keeps them composed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio
import anyio.to_thread
import yaml

from pywatt.backoff import backoff
from pywatt.errors import MeshError
from pywatt.http.client.call import Response
from pywatt.mesh.table import MeshTable
from pywatt_services.gateway.openapi.compose import Composed, Part, compose
from pywatt_services.gateway.openapi.document import ApiDocument, UnusableDocument, read_document
from pywatt_services.gateway.openapi.options import REMOTE_REFRESH, ApiSource, DocumentationOptions
from pywatt_services.gateway.openapi.paths import DocumentedPaths, public_path

FETCH_TIMEOUT = 10.0
FIRST_RETRY = 0.5
LAST_RETRY = 60.0
"""Seconds after which a document that could not be had is fetched again, doubling from the first to the last."""
MOST_REPORTS = 20

logger = logging.getLogger("pywatt.gateway")


class Mesh(Protocol):
    """The client for services: see `pywatt.mesh.client.MeshClient`."""

    @property
    def table(self) -> MeshTable:
        """The newest table."""
        ...

    async def changed(self) -> None:
        """Wait for a newer table."""
        ...

    async def request(self, method: str, url: str, *, timeout: float | None = None) -> Response:
        """Make one call. Raises MeshError."""
        ...


@dataclass(frozen=True, slots=True)
class Rendered:
    """The composed document as it is sent."""

    json: bytes
    yaml: bytes
    etag: bytes


Reaches = Callable[[ApiSource, str, str], bool]
"""Returns whether requests of a method for a public path go to a service."""


class ApiDocuments:
    """The documents of the services of one gateway."""

    def __init__(
        self, options: DocumentationOptions, mesh: Mesh, reaches: Reaches, documented: Sequence[DocumentedPaths]
    ) -> None:
        """`documented`: the paths of the sources that are reached by their documents only, told as they come."""
        self.rendered = Rendered(b"", b"", b"")
        self._options = options
        self._mesh = mesh
        self._reaches = reaches
        self._documented = {paths.source: paths for paths in documented}
        self._documents: dict[ApiSource, ApiDocument] = {}
        self._hashes: dict[ApiSource, bytes] = {}
        self._problems: dict[ApiSource, str] = {}
        self._reported: set[str] = set()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Keep the document composed until cancelled."""
        await self._compose()
        async with anyio.create_task_group() as tasks:
            for source in self._options.sources:
                tasks.start_soon(self._follow, source)
            while True:
                await self._changed.wait()
                self._changed.clear()
                await self._compose()

    async def _follow(self, source: ApiSource) -> None:
        """Fetch a document, and fetch it again."""
        failures = 0
        fetched: object = None
        while True:
            workers = self._workers(source)
            if workers == ():
                await self._mesh.changed()
                continue
            if failures or workers != fetched or workers is None:
                fetched = workers
                failures = 0 if await self._fetch(source) else failures + 1
            delay = backoff(failures - 1, first=FIRST_RETRY, longest=LAST_RETRY) if failures else self._pause(source)
            with anyio.move_on_after(delay) as waiting:
                if source.local is None:
                    await anyio.sleep_forever()
                await self._mesh.changed()
            if waiting.cancelled_caught and not failures:
                fetched = None  # the time has come to look again

    def _workers(self, source: ApiSource) -> object:
        """Return the workers that may have a document; None: it is not of this app."""
        if source.local is None:
            return None
        services = self._mesh.table.services.values()
        service = next((each for each in services if each.id.lower() == source.local), None)
        return () if service is None else service.endpoints

    def _pause(self, source: ApiSource) -> float | None:
        refresh = self._options.refresh
        if refresh is None:
            return REMOTE_REFRESH if source.local is None and source.file is None else None
        return refresh or None

    async def _fetch(self, source: ApiSource) -> bool:
        """Fetch and read a document once; return whether it was had."""
        try:
            data = await self._load(source)
            digest = hashlib.sha256(data).digest()
            if self._hashes.get(source) == digest:
                return source not in self._problems
            self._hashes[source] = digest
            document = await anyio.to_thread.run_sync(read_document, data)
        except (UnusableDocument, MeshError, OSError, ValueError) as error:
            reason = error.message if isinstance(error, MeshError) else str(error)
            if self._problems.get(source) != reason:
                self._problems[source] = reason
                place = source.file or source.url
                message = "openapi: the document of %r (%s) is left out: %s"
                logger.warning(message, source.service, place, reason)
            return False
        self._problems.pop(source, None)
        self._documents[source] = document
        self._changed.set()
        return True

    async def _load(self, source: ApiSource) -> bytes:
        if source.file is not None:
            return await anyio.to_thread.run_sync(source.file.read_bytes)
        response = await self._mesh.request("GET", source.url, timeout=FETCH_TIMEOUT)
        if response.status != 200:
            raise UnusableDocument(f"the status of the response is {response.status}")
        return response.body

    async def _compose(self) -> None:
        documents = {source: self._documents[source] for source in self._options.sources if source in self._documents}
        for source, document in documents.items():
            if source in self._documented:
                self._documented[source].take(document)
        composed, self.rendered = await anyio.to_thread.run_sync(self._render, documents)
        for source in documents:
            count = composed.operations.get(source.service, 0)
            self._report(logging.INFO, f"openapi: the document of {source.service!r} has {count} operations")
        for report in composed.reports[:MOST_REPORTS]:
            self._report(logging.WARNING, f"openapi: {report}")
        if len(composed.reports) > MOST_REPORTS:
            self._report(logging.WARNING, f"openapi: {len(composed.reports) - MOST_REPORTS} further conflicts")

    def _report(self, level: int, message: str) -> None:
        if message not in self._reported:
            if len(self._reported) > 50 * MOST_REPORTS:
                self._reported.clear()
            self._reported.add(message)
            logger.log(level, "%s", message)

    def _render(self, documents: dict[ApiSource, ApiDocument]) -> tuple[Composed, Rendered]:
        parts = [
            Part(
                service=source.service,
                document=document,
                public_path=lambda path, source=source, document=document: public_path(source, document.base, path),  # type: ignore[misc]
                reaches=lambda method, path, source=source: self._reaches(source, method, path),  # type: ignore[misc]
                ignored=source.ignored,
            )
            for source, document in documents.items()
        ]
        # Relative to the document: so it is right below any prefix that stands in front of the gateway.
        servers = self._options.servers or ({"url": "/".join([".."] * self._options.prefix.count("/"))},)
        composed = compose(parts, self._options.info, servers)
        text = json.dumps(composed.document, separators=(",", ":")).encode()
        dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
        as_yaml = yaml.dump(json.loads(text), Dumper=dumper, sort_keys=False, allow_unicode=True, encoding="utf-8")
        etag = b'"%b"' % hashlib.sha256(text).hexdigest()[:32].encode()
        return composed, Rendered(text, as_yaml, etag)
