"""examples/polyglot as in its README: built, started, and every service called through another."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from harness.app import PYWATT, Start, clean_environment, run_pywatt
from harness.processes import MARKER

EXAMPLE = Path(__file__).parents[3] / "examples" / "polyglot"
BUILD_PATIENCE = 240.0
"""Seconds: Go compiles its standard library at the first build on a machine."""

pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed"),
    pytest.mark.timeout(BUILD_PATIENCE + 60),
]


@pytest.fixture
def example(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EXAMPLE, tmp_path / "polyglot", ignore=shutil.ignore_patterns("build")))


@pytest.mark.usefixtures("start")  # whose end finds what is left running
def test_built_and_started_the_services_call_each_other(example: Path, marker: str) -> None:
    built = subprocess.run(
        [PYWATT, "build"],
        cwd=example,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=BUILD_PATIENCE,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    assert built.stdout.splitlines() == ["prices: go build -o build/prices .", "built 1 of 4 services"]
    with run_pywatt(example, "start", env={MARKER: marker, "PORT": "0"}) as app:
        assert app.get("/shop/items/tea").json() == {"item": "tea", "cents": 350, "count": 7}
        assert app.get("/stock/value/tea").json() == {"item": "tea", "cents": 2450}
        assert app.get("/prices/discounted/tea").json() == {"item": "tea", "cents": 315}
        assert app.stop() == 0


def test_what_was_not_built_is_told(example: Path, start: Start) -> None:
    with run_pywatt(example, "start", env={"PORT": "0"}) as app:
        assert app.wait() == 1
    assert "no program 'build/prices' in the service's folder (fix: run `pywatt build` first" in "\n".join(app.stderr)
