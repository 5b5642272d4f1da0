"""`.env`, `.gitignore` and requirements: missing lines are added, existing lines stay."""

from __future__ import annotations

import pytest

from pywatt.scaffold.env_file import env_text
from pywatt.scaffold.gitignore import IGNORED, ignore_text
from pywatt.scaffold.requirements import requirements_text, undeclared


@pytest.mark.parametrize("before", ["PORT=1", "PORT=1\n", "export PORT = 1\n"])
def test_variables_that_are_there_stay(before: str) -> None:
    made = env_text(before, {"PORT": "2", "OTHER": "x"})
    assert made == before.rstrip("\n") + "\nOTHER=x\n"
    assert env_text(made, {"PORT": "2", "OTHER": "x"}) == made


def test_a_variable_is_explained() -> None:
    assert env_text("", {"KAFKA_BROKERS": "embedded"}).startswith("# ")


def test_ignored_files() -> None:
    made = ignore_text("build/\n.env\n")
    assert made == "build/\n.env\n" + "".join(f"{line}\n" for line in IGNORED if line != ".env")
    assert ignore_text(made) == made


@pytest.mark.parametrize("before", ["flask", "Flask>=3\n", "flask==3.0 # why\n", "flask[async]\n"])
def test_requirements_that_are_there_stay(before: str) -> None:
    assert requirements_text(before, ["flask"]).strip() == before.strip()


def test_requirements_that_are_not_are_added() -> None:
    assert requirements_text("pywatt\n", ["pywatt[wsgi]"]) == "pywatt\npywatt[wsgi]\n"
    assert requirements_text("-r requirements.txt\n", ["-r requirements.txt"]) == "-r requirements.txt\n"
    assert requirements_text("quart", ["pywatt[wsgi]", "flask"]) == "quart\npywatt[wsgi]\nflask\n"


@pytest.mark.parametrize(
    ("pyproject", "lacking"),
    [
        ('[project]\nname = "a"\ndependencies = ["pywatt==1", "Quart>=0.20"]\n', ["flask>=3.1,<4"]),
        ('[project]\ndependencies = ["flask"]\n', ["quart>=0.20"]),
        ('[project]\nname = "a"\n', []),
        ("[tool.ruff]\n", []),
        ("", []),
        ("no toml", []),
    ],
)
def test_packages_that_a_project_does_not_declare(pyproject: str, lacking: list[str]) -> None:
    assert undeclared(pyproject, ["flask>=3.1,<4", "quart>=0.20"]) == lacking
