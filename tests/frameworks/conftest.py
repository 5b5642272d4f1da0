"""Real projects behind one gateway, each behind a prefix and a host name, with a browser to test them.

`scripts/frameworks` runs this folder in a virtual environment of its own; elsewhere its tests are skipped.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from harness.app import PYWATT, RunningApp, clean_environment, run_pywatt, write_files

PROJECTS = Path(__file__).parent / "projects"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = (
    "the frameworks are not installed here: scripts/frameworks makes a virtual environment that has them"
    if importlib.util.find_spec("litestar") is None
    else "there is no chromium here (Debian: apt-get install chromium)"
    if CHROMIUM is None
    else ""
)
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
PATIENCE_MS = 45_000
NPM_PATIENCE = 120

Page = Any
Compose = Callable[..., AbstractContextManager[RunningApp]]


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    if MISSING:
        for item in items:
            if Path(__file__).parent in item.path.parents:
                item.add_marker(pytest.mark.skip(reason=MISSING))


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright  # pyright: ignore[reportMissingImports]

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))


@pytest.fixture
def page(chromium: Any) -> Iterator[Page]:
    """A page of a fresh browser; no request of it may fail or use a name that only the app knows."""
    context = chromium.new_context(accept_downloads=True)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.wrong = []

    def judge(response: Any) -> None:
        if response.status >= 400 and urlsplit(response.url).path != "/favicon.ico":
            page.wrong.append(f"{response.status} {response.url}")

    def look(request: Any) -> None:
        if ".plt.local" in request.url or ".plt.local" in str(request.headers):
            page.wrong.append(f"internal name: {request.url}")

    context.on("response", judge)
    context.on("request", look)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    yield page
    context.close()
    assert page.wrong == []


@pytest.fixture(scope="session")
def folders() -> dict[int, tuple[Path, str]]:
    """The folder and the runtime folder of each running app, by its process."""
    return {}


@pytest.fixture(scope="session")
def folder_of(folders: dict[int, tuple[Path, str]]) -> Callable[[RunningApp], Path]:
    """Return the folder of a running app."""
    return lambda app: folders[app.process.pid][0]


@pytest.fixture(scope="session")
def restart(folders: dict[int, tuple[Path, str]]) -> Callable[[RunningApp, str], None]:
    """Restart a service of a running app."""

    def run(app: RunningApp, service: str) -> None:
        environment = {**clean_environment(), "PYWATT_RUNTIME_DIR": folders[app.process.pid][1]}
        subprocess.run([PYWATT, "restart", str(app.process.pid), service], env=environment, check=True)

    return run


@pytest.fixture(scope="module")
def compose(tmp_path_factory: pytest.TempPathFactory, folders: dict[int, tuple[Path, str]]) -> Compose:
    """Run an app of some projects: behind `/<id>` and at `http://<id>.localhost`, unless `proxies` says otherwise."""

    @contextmanager
    def run(
        services: Mapping[str, tuple[str, dict[str, Any]]],
        proxies: Mapping[str, Sequence[dict[str, Any]]] | None = None,
        before: Callable[[Path], None] = lambda _folder: None,
    ) -> Iterator[RunningApp]:
        folder = tmp_path_factory.mktemp("app")
        applications = [
            {"id": name, "proxy": proxy}
            for name in services
            for proxy in (proxies or {}).get(name, ({}, {"hostname": f"{name}.localhost"}))
        ]
        root = {
            "entrypoint": "gateway",
            "startTimeout": 120_000,
            "server": {"port": "{PORT}"},
            "web": [{"id": name, "path": name} for name in ("gateway", *services)],
        }
        gateway = {"module": "@platformatic/gateway", "gateway": {"applications": applications}}
        write_files(folder, {"watt.json": root, "gateway/platformatic.json": gateway})
        for name, (project, document) in services.items():
            shutil.copytree(PROJECTS / "shared", folder / name)
            shutil.copytree(PROJECTS / project, folder / name, dirs_exist_ok=True)
            if document:
                write_files(folder, {f"{name}/platformatic.json": document})
        before(folder)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        with tempfile.TemporaryDirectory(prefix="pywatt-") as runtime:  # its own, and a short name for sockets
            env = {"PORT": "0", "PATH": path, "PYWATT_RUNTIME_DIR": runtime}
            with run_pywatt(folder, "dev", env=env) as app:
                folders[app.process.pid] = folder, runtime
                yield app
                assert app.stop() == 0, app.output

    return run


@pytest.fixture(scope="session")
def npm_install() -> Callable[[Path], None]:
    """Install a project's packages; without npm or its registry the test is skipped."""

    def install(folder: Path) -> None:
        if shutil.which("npm") is None:
            pytest.skip("there is no npm here")
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--prefer-offline", "--loglevel=error"],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=NPM_PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    return install


def at(app: RunningApp, name: str, place: str) -> str:
    """Return a project's address behind the prefix or behind the host name."""
    return f"{app.url}/{name}/" if place == "prefix" else app.url.replace("127.0.0.1", f"{name}.localhost") + "/"


@pytest.fixture(name="at", scope="session")
def at_fixture() -> Callable[[RunningApp, str, str], str]:
    return at
