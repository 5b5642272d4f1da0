"""`pywatt config` shows everything of a service that calls webhooks, except secrets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pywatt.redaction import HIDDEN, hide
from pywatt.service_type import Placement
from pywatt.supervisor.snapshot import plain
from pywatt_services.kafka_hooks import TYPE

SECRET = "conf-SECRET"
DOCUMENT: dict[str, Any] = {
    "brokers": ["kafka:9092"],
    "topics": [
        {
            "topic": "orders",
            "url": f"https://hooks.example/orders?sig={SECRET}&key={SECRET}&page=1",
            "headers": {"Authorization": f"Bearer {SECRET}", "X-Api-Key": SECRET, "X-Tenant": "münchen"},
        }
    ],
    "consumer": {"groupId": "g"},
    "security": {"sasl": {"mechanism": "PLAIN", "username": "me", "password": SECRET}},
    "auth": {"apiKeys": [SECRET]},
}


def test_no_secret_is_shown() -> None:
    placement = Placement(id="hooks", path=Path("/app"), services=("hooks",))
    options = TYPE.configure(DOCUMENT, placement).options
    assert SECRET not in repr(options).replace(DOCUMENT["topics"][0]["url"], "")
    shown = hide(plain(options))
    assert SECRET not in str(shown)
    (webhook,) = shown["webhooks"]
    assert webhook["headers"] == [["authorization", HIDDEN], ["x-api-key", HIDDEN], ["x-tenant", "münchen"]]
    assert webhook["url"] == f"https://hooks.example/orders?sig={HIDDEN}&key={HIDDEN}&page=1"
