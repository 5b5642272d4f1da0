"""Checks the pages on kafka-hooks: configurations load, every key is named, links resolve."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from time import time
from typing import Any

import pytest

import pywatt_schemas
from pywatt.config.pipeline import load
from pywatt_schemas import LATER, SUPPORT
from pywatt_services.kafka_hooks.webhooks.signature import Signer, read_key

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = ("configuration.md", "kafka-hooks.md", "webhooks.md", "publishing.md")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([\w./-]*)(?:#([\w-]+))?\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
VARIABLES = {
    "KAFKA_BROKERS": "127.0.0.1:9092",
    "WEBHOOK_SECRET": SECRET,
    "OLD_WEBHOOK_SECRET": SECRET,
    "PUBLISH_KEY": "k",
}
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
"""The example key of RFC 8410 section 10.1."""
OUTSIDE = frozenset({"security", "sasl", "tls", "ssl", "jwt", "serialization"})
"""Keys of blocks that are not listed here one by one."""


def fences(language: str) -> list[Any]:
    return [
        pytest.param(found[2], id=f"{page}:{text.count(chr(10), 0, found.start()) + 1}")
        for page in PAGES
        for text in [(DOCS / page).read_text("utf-8")]
        for found in FENCE.finditer(text)
        if found[1] == language
    ]


def service(example: str) -> dict[str, Any]:
    """Return a whole service for an example: a service, an entry of `topics`, or some of a service's keys."""
    document: dict[str, Any] = json.loads(example if example.startswith("{") else f"{{{example}}}")
    if "url" in document:
        document = {"topics": [document]}
    return {"type": "kafka-hooks", "brokers": ["embedded"], "consumer": {"groupId": "hooks"}, **document}


@pytest.mark.parametrize("example", fences("json"))
def test_an_example_loads(example: str, tmp_path: Path) -> None:
    files: Mapping[str, str] = {
        "watt.json": json.dumps({"web": [{"id": "api", "path": "api"}, {"id": "hooks", "path": "hooks"}]}),
        "api/platformatic.json": json.dumps({"type": "command", "command": "true"}),
        "hooks/platformatic.json": json.dumps(service(example)),
        "hooks/schemas/order.json": "{}",
        "hooks/keys/issuer.pem": PUBLIC_KEY,
    }
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    app = load(tmp_path, cwd=tmp_path, environ=VARIABLES)  # raises ConfigError with all that is wrong
    assert app.warnings == ()


def keys(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    """Yield the names of all keys that have an effect."""
    if "$ref" in schema:
        yield from keys(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    for part in (*schema.get("anyOf", ()), schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            yield from keys(part, definitions)
    for name, value in schema.get("properties", {}).items():
        if name not in OUTSIDE and value.get(SUPPORT) != LATER:
            yield name
            yield from keys(value, definitions)


def test_every_key_is_named() -> None:
    schema = pywatt_schemas.load("kafka-hooks")
    own = {name: value for name, value in schema["properties"].items() if name != "kafka"}
    known = set(keys({"properties": own}, schema["$defs"]))
    assert {"allowPrivate", "attemptTimeout", "groupId", "in", "wait"} <= known
    page = (DOCS / "configuration.md").read_text("utf-8")
    section = FENCE.sub("", page[page.index("### kafka-hooks") : page.index("### python")])
    named = {word for span in re.findall(r"`([^`]+)`", section) for word in re.findall(r"\w+", span)}
    assert known - named == set()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_a_heading(page: str) -> None:
    for name, anchor in LINK.findall((DOCS / page).read_text("utf-8")):
        target = DOCS / (name or page)
        assert target.is_file(), name
        headings = HEADING.findall(target.read_text("utf-8")) if anchor else []
        anchors = {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}
        assert not anchor or anchor in anchors, f"{name}#{anchor}"


@pytest.mark.parametrize("example", fences("python"))
def test_the_receiver_takes_our_signatures_and_no_others(example: str) -> None:
    names: dict[str, Any] = {}
    exec(example, names)
    body, moment = b'{"id": 1}', b"%d" % time()
    old = "whsec_" + base64.b64encode(b"old" * 8).decode()
    signature = Signer([read_key(SECRET), read_key(old)]).sign(b"orders-0-7", moment, body).decode()
    headers = {"webhook-id": "orders-0-7", "webhook-timestamp": moment.decode(), "webhook-signature": signature}
    other = "whsec_" + base64.b64encode(b"other" * 8).decode()
    verify = names["verify"]
    assert verify(SECRET, headers, body)
    assert verify(old, headers, body)
    assert not verify(other, headers, body)
    assert not verify(SECRET, headers, body + b" ")
    assert not verify(SECRET, {**headers, "webhook-timestamp": "1700000000"}, body)
