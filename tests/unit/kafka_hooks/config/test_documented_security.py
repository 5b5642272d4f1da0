"""The examples of security, consumers and share groups in docs/kafka-hooks.md load unchanged."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness.certificates import Authority

from pywatt.service_type import Placement
from pywatt_schemas import service_file
from pywatt_services.kafka_hooks import TYPE
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions

PAGE = Path(__file__).parents[4] / "docs/kafka-hooks.md"
TOPIC = {"topic": "orders", "url": "https://hooks.example/orders"}


def examples() -> list[dict[str, Any]]:
    text = PAGE.read_text("utf-8")
    section = text[text.index("\n## Security\n") : text.index("\n## Engines\n")]
    blocks = re.findall(r"(?:^ {4}.*\n)+", section, re.MULTILINE)
    return [json.loads("{" + block + "}") for block in blocks]


@pytest.mark.parametrize("example", examples(), ids=lambda example: ",".join(example))
def test_example_is_valid(tmp_path: Path, example: dict[str, Any]) -> None:
    (tmp_path / "certs").mkdir()
    Authority(tmp_path / "certs").issue("client", password="{KAFKA_KEY_PASSWORD}")
    document = {"brokers": ["kafka:9092"], "topics": [TOPIC], "consumer": {"groupId": "hooks"}, **example}
    jsonschema.validate(document, service_file(TYPE.schema))
    options = TYPE.configure(document, Placement(id="hooks", path=tmp_path, services=("hooks",))).options
    assert isinstance(options, KafkaHooksOptions)
    assert (options.security is not None) == ("security" in example)


def test_there_are_examples() -> None:
    assert len(examples()) == 5
