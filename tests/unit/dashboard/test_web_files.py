"""The files of the page are complete, the vendored ones unchanged, and none writes HTML or fetches from elsewhere."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
from quart import Quart

from pywatt_services.dashboard.web_files import FOLDER, TYPES, WebFiles

VENDORED = {"vendor/htm-preact-3.1.1.js": "72284e8e9079c87817145df1110f74e8a2aa040b2fc384922e18dfcb46fc1fd7"}
"""SHA-256 of `preact/standalone.module.js` of htm 3.1.1 (npm), which has preact in it."""
OWN = sorted(path for path in FOLDER.rglob("*") if path.suffix in (*TYPES, ".mjs") and "vendor" not in path.parts)
DANGERS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|javascript:|localStorage|"
    r"(?<!xmlns=\")https?://"
)
IMPORTS = re.compile(r"""(?:from|import)\s+["']([^"']+)["']""")
MAX_LINES = 400
MAX_FILES = 16


@pytest.mark.parametrize("name", VENDORED)
def test_vendored_file_is_the_published_one(name: str) -> None:
    assert hashlib.sha256((FOLDER / name).read_bytes()).hexdigest() == VENDORED[name]


def test_every_vendored_file_is_pinned_and_has_its_licence() -> None:
    scripts = {path.relative_to(FOLDER).as_posix() for path in (FOLDER / "vendor").glob("*.js")}
    assert scripts == VENDORED.keys()
    licences = {path.name for path in (FOLDER / "vendor").glob("LICENSE-*")}
    assert licences == {"LICENSE-htm", "LICENSE-preact"}


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_file_shows_text_as_text_and_is_short(path: Path) -> None:
    text = path.read_text()
    assert DANGERS.findall(text) == []
    assert len(text.splitlines()) <= MAX_LINES


def test_the_page_names_all_modules() -> None:
    files = WebFiles.load().files
    index = files["index.html"].content.decode()
    modules = [name for name in files if name.endswith(".js")]
    assert len(modules) > 20
    assert all(f'<link rel="modulepreload" href="/web/{name}">' in index for name in modules)
    assert "<!--" not in index


def test_the_index_has_nothing_inline() -> None:
    text = (FOLDER / "index.html").read_text()
    assert re.findall(r"<style|\son\w+=|style=|<script(?![^>]*\ssrc=)", text) == []


@pytest.mark.parametrize("path", [each for each in OWN if each.suffix == ".js"], ids=lambda path: path.name)
def test_imports_lead_to_files(path: Path) -> None:
    names = IMPORTS.findall(path.read_text())
    assert [name for name in names if not name.startswith(".") or not (path.parent / name).is_file()] == []


def test_folders_stay_small() -> None:
    folders = {path.parent for path in OWN}
    assert [folder for folder in folders if sum(path.is_file() for path in folder.iterdir()) > MAX_FILES] == []


async def test_files_are_served_with_their_types_and_once() -> None:
    app = Quart(__name__)
    WebFiles.load().serve(app)
    client = app.test_client()
    index = await client.get("/")
    assert index.status_code == 200
    assert index.headers["Content-Type"] == "text/html; charset=utf-8"
    again = await client.get("/", headers={"If-None-Match": index.headers["ETag"]})
    assert again.status_code == 304
    assert (await client.get("/web/main.js")).headers["Content-Type"] == "text/javascript; charset=utf-8"
    for outside in ("/web/../guard.py", "/web/%2e%2e/guard.py", "/web/vendor/LICENSE-htm", "/web//etc/passwd"):
        assert (await client.get(outside)).status_code in (308, 404)
