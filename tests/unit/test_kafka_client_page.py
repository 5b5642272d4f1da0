"""docs/kafka-client.md: its Python runs as far as it needs no broker, and its table has every error."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import pywatt_kafka
from pywatt_kafka import KafkaError

PAGE = (Path(__file__).parents[2] / "docs" / "kafka-client.md").read_text("utf-8")
EXAMPLES = re.findall(r"(?ms)^```python\n(.*?)^```$", PAGE)
SECTIONS = {title: text for title, _, text in (part.partition("\n") for part in PAGE.split("\n## "))}


@pytest.mark.parametrize("example", EXAMPLES, ids=[f"example-{number}" for number in range(len(EXAMPLES))])
def test_an_example_can_be_imported(example: str) -> None:
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(example, "kafka-client.md", "exec", flags=0, dont_inherit=True), names)


def test_no_section_is_empty() -> None:
    assert [title for title, text in SECTIONS.items() if not text.strip()] == []


def test_every_error_is_in_the_table() -> None:
    errors = {
        name
        for name in pywatt_kafka.__all__
        if isinstance(found := getattr(pywatt_kafka, name), type) and issubclass(found, KafkaError)
    }
    named = {name for cell in re.findall(r"(?m)^\| ([\w, ]+) \|", SECTIONS["Errors"]) for name in cell.split(", ")}
    assert named - {"error"} == errors - {"KafkaError"}
