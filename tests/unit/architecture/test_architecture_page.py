"""docs/architecture.md lists every folder of sources, and names only files and folders that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/architecture.md").read_text()
ROOTS = ("schemas", "runtime", "kafka", "services")
FOLDERS = {
    str(path.parent.relative_to(ROOT)) for root in ROOTS for path in (ROOT / root).glob("pywatt*/**/__init__.py")
} - {str(path.parent.relative_to(ROOT)) for path in (ROOT / "runtime/pywatt/templates").rglob("__init__.py")}
SECTIONS = {title: text for title, _, text in (part.partition("\n") for part in PAGE.split("\n## "))}
DRAWINGS = re.findall(r"(?s)```mermaid\n(.*?)```", PAGE)
STARTS = ("", "runtime", "runtime/pywatt", "services/pywatt_services", "services/pywatt_services/kafka_hooks", "kafka")


def test_every_folder_has_its_line() -> None:
    listed = re.findall(r"(?m)^\| `([^`]+)` \|", SECTIONS["Folders"])
    assert sorted(listed) == sorted(FOLDERS)


@pytest.mark.parametrize("place", sorted({*re.findall(r"`([\w./]+/[\w./]+)`", PAGE)}))
def test_places_exist(place: str) -> None:
    assert any((ROOT / start / name).exists() for start in STARTS for name in (place, f"{place}.py"))


@pytest.mark.parametrize("place", sorted({*re.findall(r"(?<![/\w])(?:[a-z_]+/)+[a-z_]+\b", "".join(DRAWINGS))}))
def test_places_in_drawings_exist(place: str) -> None:
    assert any((ROOT / start / name).exists() for start in STARTS for name in (place, f"{place}.py"))
