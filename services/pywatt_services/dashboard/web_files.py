"""The files of the page, read once; there is no build step, and no file comes from elsewhere."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from quart import Quart, Response, request

FOLDER = Path(__file__).with_name("web")
INDEX = "index.html"
PRELOADS = b"<!-- modules -->\n"
"""Stands in the page for the links to all modules."""
TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


def with_preloads(index: bytes, names: Iterable[str]) -> bytes:
    """Return the page with all modules named, so that a browser fetches them side by side (pure).

    It would find a module only once it has read all that lead to it, one round trip after the other.
    """
    links = "".join(
        f'<link rel="modulepreload" href="/web/{name}">\n' for name in sorted(names) if name.endswith(".js")
    )
    return index.replace(PRELOADS, links.encode())


@dataclass(frozen=True, slots=True)
class WebFile:
    """One file."""

    content: bytes
    kind: str
    etag: str


@dataclass(frozen=True, slots=True)
class WebFiles:
    """All files, by their paths below the page's."""

    files: Mapping[str, WebFile]

    @staticmethod
    def load(folder: Path = FOLDER) -> WebFiles:
        """Read the files of a folder that browsers may fetch."""
        paths = [path for path in sorted(folder.rglob("*")) if path.suffix in TYPES]
        contents = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
        if INDEX in contents:
            contents[INDEX] = with_preloads(contents[INDEX], contents)
        found = {}
        for name, content in contents.items():
            etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
            found[name] = WebFile(content, TYPES[Path(name).suffix], etag)
        return WebFiles(found)

    def serve(self, app: Quart) -> None:
        """Add the routes of the files."""

        @app.get("/")
        async def index() -> Response:
            return self.response(INDEX)

        @app.get("/web/<path:name>")
        async def file(name: str) -> Response:
            return self.response(name)

    def response(self, name: str) -> Response:
        """Return a file, or that the browser has it already."""
        file = self.files.get(name)
        if file is None:
            return Response("There is no such file.", HTTPStatus.NOT_FOUND, content_type="text/plain; charset=utf-8")
        headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
        if file.etag in request.headers.get("If-None-Match", ""):
            return Response(b"", HTTPStatus.NOT_MODIFIED, headers)
        return Response(file.content, headers=headers, content_type=file.kind)
