"""Pages of web frameworks: links, redirects, static files, forms, uploads, downloads, WebSockets."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.app import RunningApp

PLACES = pytest.mark.parametrize("place", ["prefix", "host"])
PYTHON = ("fastapi", "starlette", "flask", "django", "quart", "litestar")
PROGRAMS = {"aiohttp": {"command": "python app.py"}, "express": {"command": "node server.js"}}
WITH_WEBSOCKET = ("fastapi", "starlette", "quart", "litestar", "aiohttp")
USER = {
    "DJANGO_SUPERUSER_USERNAME": "ada",
    "DJANGO_SUPERUSER_PASSWORD": "secret",
    "DJANGO_SUPERUSER_EMAIL": "a@b.example",
}


@pytest.fixture(scope="module")
def app(compose: Any, npm_install: Callable[[Path], None]) -> Iterator[RunningApp]:
    def prepare(folder: Path) -> None:
        for arguments in (["migrate", "--verbosity=0"], ["createsuperuser", "--no-input", "--verbosity=0"]):
            subprocess.run(
                [sys.executable, "manage.py", *arguments], cwd=folder / "django", env={**os.environ, **USER}, check=True
            )
        npm_install(folder / "express")

    services = {**{name: (name, {}) for name in PYTHON}, **{name: (name, file) for name, file in PROGRAMS.items()}}
    with compose(services, before=prepare) as running:
        yield running


@PLACES
@pytest.mark.parametrize("name", [*PYTHON, *PROGRAMS])
def test_a_page_and_what_it_leads_to(
    app: RunningApp, page: Any, at: Callable[..., str], name: str, place: str, tmp_path: Path
) -> None:
    address = at(app, name, place)
    page.goto(address)
    assert page.locator("h1").inner_text() == "hello"
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    if name in WITH_WEBSOCKET:
        page.wait_for_function("document.getElementById('echo').textContent == 'ECHO'")
    page.click("#go")
    page.wait_for_url(re.compile(f"{re.escape(address)}there/?$"))
    assert page.locator("h1").inner_text() == "arrived"
    page.go_back()
    (tmp_path / "note.txt").write_text("some text")
    page.set_input_files("input[type=file]", tmp_path / "note.txt")
    page.click("button")
    page.wait_for_url(f"{address}upload")
    assert page.locator("h1").inner_text() == "note.txt: some text"
    page.go_back()
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "style.css"
    assert "rgb(1, 2, 3)" in download.value.path().read_text()


@PLACES
def test_the_docs_page_of_fastapi_calls_the_service(
    app: RunningApp, page: Any, at: Callable[..., str], place: str
) -> None:
    # The page itself comes with scripts from elsewhere, which tests do not load.
    page.route("https://**", lambda route: route.abort())
    address = at(app, "fastapi", place)
    page.goto(f"{address}docs")
    schema = page.evaluate("fetch(document.documentElement.innerHTML.match(/url: '([^']+)'/)[1]).then(r => r.json())")
    assert "/download" in schema["paths"]
    (server,) = schema.get("servers", [{"url": ""}])
    called = page.evaluate("path => fetch(path).then(r => r.status)", f"{server['url']}/download")
    assert called == 200
    page.wrong[:] = [each for each in page.wrong if "SwaggerUIBundle" not in each]


@PLACES
def test_the_admin_of_django(app: RunningApp, page: Any, at: Callable[..., str], place: str) -> None:
    address = at(app, "django", place)
    page.goto(f"{address}admin/")
    page.wait_for_url(re.compile(f"{re.escape(address)}admin/login/"))
    assert page.evaluate("getComputedStyle(document.getElementById('header')).display") == "flex"  # styled
    page.fill("[name=username]", USER["DJANGO_SUPERUSER_USERNAME"])
    page.fill("[name=password]", USER["DJANGO_SUPERUSER_PASSWORD"])
    page.click("[type=submit]")
    page.wait_for_url(f"{address}admin/")
    page.click("a.addlink[href*=group]")
    page.fill("[name=name]", f"friends at the {place}")
    page.click("[name=_save]")
    page.wait_for_url(f"{address}admin/auth/group/")
    assert f"friends at the {place}" in page.inner_text(".success")
    page.click("#logout-form button")
    assert "Logged out" in page.inner_text("h1")


def test_a_page_that_is_open_over_a_restart(
    app: RunningApp, page: Any, at: Callable[..., str], restart: Callable[[RunningApp, str], None]
) -> None:
    page.goto(at(app, "flask", "prefix"))
    restart(app, "flask")
    page.click("#go")
    page.wait_for_url("**/there/")
    assert page.inner_text("p") == "visited: yes"
