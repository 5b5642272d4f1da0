"""Answers for the documentation: the page, its files, and the composed document in JSON and YAML (pure)."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

from pywatt.http.headers import Header
from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import JSON
from pywatt_services.gateway.openapi.documents import Rendered

FOLDER = Path(__file__).with_name("web")
TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
}
POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
Answer = tuple[int, list[Header], bytes]


@cache
def web_files(folder: Path = FOLDER) -> dict[bytes, tuple[bytes, bytes, bytes]]:
    """Return content, type and ETag of the files of the page, by name."""
    found = {}
    for path in folder.iterdir():
        if path.suffix in TYPES:
            content = path.read_bytes()
            etag = b'"%b"' % hashlib.sha256(content).hexdigest()[:32].encode()
            found[path.name.encode()] = (content, TYPES[path.suffix], etag)
    return found


def answer(method: bytes, rest: bytes, prefix: bytes, none_match: bytes, rendered: Rendered) -> Answer:
    """Return the response to a request. `rest`: the path behind the prefix. `none_match`: its If-None-Match."""
    if method not in (b"GET", b"HEAD"):
        return 405, [JSON, (b"allow", b"GET, HEAD")], error_body(405, "the documentation can only be read")
    if not rest:
        # The page's files are beside it. Relative: another prefix may stand in front.
        return 302, [(b"location", prefix.rpartition(b"/")[2] + b"/")], b""
    if rest == b"/json":
        return _file(rendered.json, b"application/json; charset=utf-8", rendered.etag, none_match)
    if rest == b"/yaml":
        return _file(rendered.yaml, b"application/yaml; charset=utf-8", b'"y' + rendered.etag[1:], none_match)
    found = web_files().get(rest[1:] or b"index.html")
    if found is None:
        return 404, [JSON], error_body(404, "the documentation has no such file")
    return _file(*found, none_match)


def _file(content: bytes, kind: bytes, etag: bytes, none_match: bytes) -> Answer:
    headers = [(b"etag", etag), (b"cache-control", b"no-cache")]
    if etag in none_match:
        return 304, headers, b""
    safety = [
        (b"content-security-policy", POLICY),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
    ]
    return 200, [(b"content-type", kind), *headers, *safety], content
