from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest

from pywatt.cli.profile.stacks import ROW, WIDTH, size, write
from pywatt.profiling.output_file import ProfileForm

SVG = "{http://www.w3.org/2000/svg}"
STACKS = [(("main.py:1 serve()", "app.py:2 if a < b: keep(';')"), 3000), (("main.py:1 serve()", "app.py:9 x"), 1000)]


def test_speedscope_gets_each_frame_once() -> None:
    document: dict[str, Any] = json.loads(write(STACKS, ProfileForm.SPEEDSCOPE, "api"))
    (profile,) = document["profiles"]
    assert [frame["name"] for frame in document["shared"]["frames"]] == [*STACKS[0][0], STACKS[1][0][1]]
    assert (profile["samples"], profile["weights"]) == ([[0, 1], [0, 2]], [3000, 1000])
    assert (profile["unit"], profile["startValue"], profile["endValue"]) == ("bytes", 0, 4000)


def test_folded_stacks_have_semicolons_only_between_frames() -> None:
    first, second = write(STACKS, ProfileForm.FOLDED, "api").splitlines()
    assert first == "main.py:1 serve();app.py:2 if a < b: keep(',') 3000"
    assert second == "main.py:1 serve();app.py:9 x 1000"


def test_a_flame_graph_is_as_wide_as_the_bytes() -> None:
    boxes = list(ET.fromstring(write(STACKS, ProfileForm.FLAME_GRAPH, "api")))
    seen = []
    for box in boxes:
        (title, rect, _) = box
        seen.append((title.text, float(rect.attrib["x"]), int(rect.attrib["y"]) // ROW, float(rect.attrib["width"])))
    assert seen == [
        ("api: 4 KB, 100.0%", 0, 0, WIDTH),
        ("main.py:1 serve(): 4 KB, 100.0%", 0, 1, WIDTH),
        ("app.py:2 if a < b: keep(';'): 3 KB, 75.0%", 0, 2, WIDTH * 0.75),
        ("app.py:9 x: 1000 B, 25.0%", WIDTH * 0.75, 2, WIDTH * 0.25),
    ]


def test_nothing_is_a_flame_graph_too() -> None:
    assert len(list(ET.fromstring(write([], ProfileForm.FLAME_GRAPH, "api")))) == 0


@pytest.mark.parametrize(("count", "text"), [(512, "512 B"), (12 * 1024, "12 KB"), (3 * 1024**2, "3 MB")])
def test_sizes(count: int, text: str) -> None:
    assert size(count) == text
