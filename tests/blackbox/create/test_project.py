"""The project files of a new app: the settings match its files, and it builds into an image."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

from pywatt import __version__

Create = Callable[..., object]
WISHES = ["--service", "api=python:fastapi", "--service", "jobs=worker", "--service", "my-web=python:flask"]


def test_the_tools_of_a_new_app_find_nothing_in_it(create: Create, tmp_path: Path) -> None:
    create("app", *WISHES)
    for tool in (["ruff", "check", "."], ["mypy"]):
        done = subprocess.run(
            [sys.executable, "-m", *tool], cwd=tmp_path / "app", capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_dependencies_are_pinned_and_named_once(create: Create, tmp_path: Path) -> None:
    create("app", *WISHES)
    project = tomllib.loads((tmp_path / "app" / "pyproject.toml").read_text())
    dependencies = project["project"]["dependencies"]
    assert dependencies == (tmp_path / "app" / "requirements.txt").read_text().splitlines()
    assert f"pywatt=={__version__}" in dependencies
    for line in [*dependencies, *project["dependency-groups"]["dev"]]:
        assert re.fullmatch(r"[a-z]+(==[\d.]+|>=[\d.]+,<\d+)", line)


def test_the_image_has_every_variable_and_listens_to_the_outside(create: Create, tmp_path: Path) -> None:
    create("app", "--service", "hooks=kafka-hooks")
    dockerfile = (tmp_path / "app" / "Dockerfile").read_text()
    sample = (tmp_path / "app" / ".env.sample").read_text()
    names = re.findall(r"^([A-Z_]+)=", sample, re.MULTILINE)
    assert names
    assert set(names) == set(re.findall(r"^ENV ([A-Z_]+)=", dockerfile, re.MULTILINE))
    assert "ENV PLT_SERVER_HOSTNAME=0.0.0.0" in dockerfile
    assert 'CMD ["pywatt", "start"]' in dockerfile


def test_a_project_that_is_there_is_kept(create: Create, tmp_path: Path) -> None:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "pyproject.toml").write_text("[project]\n")
    create("app", *WISHES)
    assert (tmp_path / "app" / "pyproject.toml").read_text() == "[project]\n"


def test_the_readme_installs_a_pywatt_that_no_index_has(create: Create, tmp_path: Path) -> None:
    create("app", *WISHES)
    readme = (tmp_path / "app" / "README.md").read_text()
    assert f"pip install pywatt-{__version__}-py3-none-any.whl" in readme
    assert "git+https://" in readme
