"""The examples on the gateway's page can be used, and every policy has its place there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

import pywatt_schemas
from pywatt.service_type import Placement
from pywatt_services.gateway import TYPE

PAGE = (Path(__file__).parents[3] / "docs/gateway.md").read_text("utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_can_be_used(example: str) -> None:
    document = json.loads(example)
    Draft202012Validator(pywatt_schemas.load("gateway")).validate(document)
    named = re.findall(r'"id": "(\w+)"', example) + re.findall(r"http://(\w+)\.plt\.local", example)
    TYPE.configure(document, Placement(id="gateway", path=Path("/app"), services=("gateway", *named)))


@pytest.mark.parametrize("key", pywatt_schemas.load("gateway")["$defs"]["policies"]["properties"])
def test_every_policy_is_on_the_page(key: str) -> None:
    assert f'"{key}"' in PAGE or f"`{key}`" in PAGE
