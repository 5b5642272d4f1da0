"""Gradio, Streamlit, Jupyter and Vite: applications with WebSockets, uploads and self-made addresses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness.app import RunningApp

PLACES = pytest.mark.parametrize("place", ["prefix", "host"])
STREAMLIT = "streamlit run app.py --server.port $PORT --server.address $HOST --server.headless true"
JUPYTER = "jupyter lab --no-browser --allow-root --ip $HOST --port $PORT --IdentityProvider.token="
VITE = "npx vite --host $HOST --port $PORT --strictPort"
ATTEMPTS, RECONNECTION_MS = 8, 5_000
UNWATCHED = {"watch": False}
"""Programs that watch their files themselves."""


def whole(name: str) -> tuple[dict[str, Any]]:
    """Return the proxy for a program that expects full paths: the prefix is not stripped."""
    return ({"prefix": f"/{name}", "rewritePrefix": f"/{name}"},)


@pytest.fixture(scope="module")
def gradio(compose: Any) -> Iterator[RunningApp]:
    services: dict[str, tuple[str, dict[str, Any]]] = {name: ("gradio", {}) for name in ("gradio", "gradio-host")}
    with compose(services, {"gradio": ({},), "gradio-host": ({"hostname": "gradio.localhost"},)}) as running:
        yield running


@pytest.fixture(scope="module")
def streamlit(compose: Any) -> Iterator[RunningApp]:
    services = {
        "streamlit": ("streamlit", {"command": f"{STREAMLIT} --server.baseUrlPath $BASE_PATH", **UNWATCHED}),
        "streamlit-host": ("streamlit", {"command": STREAMLIT, **UNWATCHED}),
    }
    proxies = {"streamlit": whole("streamlit"), "streamlit-host": ({"hostname": "streamlit.localhost"},)}
    with compose(services, proxies) as running:
        yield running


@pytest.fixture(scope="module")
def jupyter(compose: Any) -> Iterator[RunningApp]:
    services = {
        "jupyter": ("jupyter", {"command": f"{JUPYTER} --ServerApp.base_url=$BASE_PATH", **UNWATCHED}),
        "jupyter-host": ("jupyter", {"command": f"{JUPYTER} --ServerApp.allow_remote_access=True", **UNWATCHED}),
    }
    proxies = {"jupyter": whole("jupyter"), "jupyter-host": ({"hostname": "jupyter.localhost"},)}
    with compose(services, proxies) as running:
        yield running


@pytest.fixture(scope="module")
def vite(compose: Any, npm_install: Callable[[Path], None]) -> Iterator[RunningApp]:
    services = {
        "vite": ("vite", {"command": f"{VITE} --base $BASE_PATH", **UNWATCHED}),
        "vite-host": ("vite", {"command": VITE, **UNWATCHED}),
    }
    proxies = {"vite": whole("vite"), "vite-host": ({"hostname": "vite.localhost"},)}

    def install(folder: Path) -> None:
        npm_install(folder / "vite")
        # Not linked: Vite serves no files outside the project's folder.
        shutil.copytree(folder / "vite/node_modules", folder / "vite-host/node_modules", symlinks=True)

    with compose(services, proxies, before=install) as running:
        yield running


@PLACES
def test_gradio(gradio: RunningApp, page: Any, at: Callable[..., str], place: str, tmp_path: Path) -> None:
    page.route("https://**", lambda route: route.abort())  # its fonts
    page.goto(at(gradio, "gradio", place))
    page.get_by_label("name").fill("ada")
    page.get_by_role("button", name="greet").click()
    page.wait_for_function("[...document.querySelectorAll('textarea, input')].some(it => it.value == 'hello ada')")
    (tmp_path / "note.txt").write_text("some text")
    page.locator("input[type=file]").first.set_input_files(tmp_path / "note.txt")
    link = page.locator("a[download='made.txt']").first
    link.wait_for()
    # Its click opens a window of its own, which has nothing to do with where the file lies.
    assert page.evaluate("href => fetch(href).then(answer => answer.text())", link.get_attribute("href")) == "SOME TEXT"


@PLACES
def test_streamlit(streamlit: RunningApp, page: Any, at: Callable[..., str], place: str, tmp_path: Path) -> None:
    page.goto(at(streamlit, "streamlit", place))
    page.get_by_label("name").fill("ada")
    page.get_by_label("name").press("Enter")
    page.get_by_text("hello ada").wait_for()
    (tmp_path / "note.txt").write_text("some text")
    page.locator("input[type=file]").set_input_files(tmp_path / "note.txt")
    page.get_by_text("uploaded: some text").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="out").click()
    assert download.value.path().read_text() == "SOME TEXT"


@PLACES
def test_a_kernel_of_jupyter(jupyter: RunningApp, page: Any, at: Callable[..., str], place: str) -> None:
    page.goto(f"{at(jupyter, 'jupyter', place)}lab/tree/work.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first.wait_for()
    page.keyboard.press("Shift+Enter")
    page.locator(".jp-OutputArea-output", has_text="42").wait_for()


@PLACES
def test_modules_of_vite_are_replaced(
    vite: RunningApp, page: Any, at: Callable[..., str], place: str, folder_of: Callable[[RunningApp], Path]
) -> None:
    with page.expect_console_message(lambda message: "[vite] connected" in message.text):
        page.goto(at(vite, "vite", place))
    page.wait_for_function("document.getElementById('text').textContent == 'first'")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).color") == "rgb(1, 2, 3)"
    assert page.evaluate("fetch(window.logo).then(answer => answer.status)") == 200
    source = folder_of(vite) / ("vite" if place == "prefix" else "vite-host") / "src/text.js"
    source.write_text("export const text = 'second'")
    page.wait_for_function("document.getElementById('text').textContent == 'second'")
    assert page.evaluate("window.loads") == 1  # without a reload of the page


def test_a_page_of_vite_that_is_open_over_a_restart(
    vite: RunningApp, page: Any, at: Callable[..., str], restart: Callable[[RunningApp, str], None]
) -> None:
    with page.expect_console_message(lambda message: "[vite] connected" in message.text):
        page.goto(at(vite, "vite", "prefix"))
    page.wait_for_function("window.loads == 1")
    page.evaluate("window.loads = 'before'")
    restart(vite, "vite")
    page.wait_for_function("window.loads == 1")  # Vite's client loads the page again when its server is back
    page.wrong.clear()  # while it was away


def test_a_page_of_streamlit_that_is_open_over_a_restart(
    streamlit: RunningApp, page: Any, at: Callable[..., str], restart: Callable[[RunningApp, str], None]
) -> None:
    page.goto(at(streamlit, "streamlit", "prefix"))
    page.get_by_label("name").wait_for()
    restart(streamlit, "streamlit")
    # What is typed before the page has connected again is lost.
    assert any(_is_greeted(page, f"grace {attempt}") for attempt in range(ATTEMPTS))
    page.wrong.clear()


def _is_greeted(page: Any, name: str) -> bool:
    from playwright.sync_api import TimeoutError as TooLate  # pyright: ignore[reportMissingImports]

    page.get_by_label("name").fill(name)
    page.get_by_label("name").press("Enter")
    try:
        page.get_by_text(f"hello {name}").wait_for(timeout=RECONNECTION_MS)
    except TooLate:
        return False
    return True
