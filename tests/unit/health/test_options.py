"""The options of the service type `health`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pywatt.service_type import OptionsError, Placement
from pywatt_kafka.lag.verdict import LagRules
from pywatt_services.health import TYPE
from pywatt_services.health.options import HealthOptions, LagWatch

PLUGIN = "@platformatic/watt-plugin-kafka-health"


def options_of(document: dict[str, Any]) -> object:
    jsonschema.validate(document, TYPE.schema)
    return TYPE.configure(document, Placement(id="health", path=Path("/app"), services=())).options


def test_nothing_to_watch() -> None:
    assert options_of({}) == HealthOptions()


def test_the_users_plugin_block() -> None:
    lag = {"brokers": ["a:9092"], "groupId": "my-consumer-group", "lagThreshold": 10, "checkInterval": 2500}
    options = options_of({"plugins": [{"package": PLUGIN, "options": lag}]})
    watch = LagWatch(brokers=("a:9092",), groups=("my-consumer-group",), rules=LagRules(threshold=10, interval=2.5))
    assert options == HealthOptions(watches=(watch,))
    assert options == options_of({"health": lag})
    assert pickle.loads(pickle.dumps(options)) == options


def test_further_options() -> None:
    lag = {"brokers": ["embedded"], "groupId": "x", "timeLagThreshold": 90_000, "onStall": "unhealthy"}
    watch = LagWatch(
        brokers=("embedded",),
        groups=("x",),
        rules=LagRules(seconds=90.0),
        unhealthy_if_stalled=True,
        readiness=True,
    )
    assert options_of({"health": {**lag, "readiness": True}}) == HealthOptions(watches=(watch,))


def test_several_groups_and_topics() -> None:
    lag = {"brokers": ["a:1", "b:1"], "groupId": "x", "groups": ["y", "x"], "topics": {"orders": 5}}
    watch = LagWatch(
        brokers=("a:1", "b:1"), groups=("x", "y"), rules=LagRules(topics={"orders": 5}), topics=("orders",)
    )
    assert options_of({"health": lag}) == HealthOptions(watches=(watch,))


def test_the_originals_names() -> None:
    lag = {"brokers": ["a:1"], "groupId": "x", "maxAllowedLag": 7, "interval": 1000, "gracePeriod": 1000}
    watch = LagWatch(brokers=("a:1",), groups=("x",), rules=LagRules(threshold=7, interval=1.0))
    assert options_of({"health": lag}) == HealthOptions(watches=(watch,))


@pytest.mark.parametrize(
    ("document", "key"),
    [
        ({"health": {"brokers": ["a:1"]}}, "health.groupId"),
        ({"health": {"groupId": "x"}}, "health.brokers"),
        ({"plugins": [{"package": PLUGIN}]}, "plugins.0.options.brokers"),
        ({"plugins": [{"package": "@platformatic/other"}]}, "plugins.0.package"),
    ],
)
def test_what_is_missing_is_named(document: dict[str, Any], key: str) -> None:
    with pytest.raises(OptionsError) as raised:
        options_of(document)
    assert raised.value.problems[0].key == key


def test_service_to_scale_must_exist() -> None:
    lag = {"brokers": ["a:1"], "groupId": "x", "scale": "worker"}
    placement = Placement(id="health", path=Path("/app"), services=("api", "worker"))
    options = TYPE.configure({"health": lag}, placement).options
    assert isinstance(options, HealthOptions)
    assert options.watches[0].scale == "worker"
    with pytest.raises(OptionsError) as raised:
        options_of({"health": lag})
    assert raised.value.problems[0].key == "health.scale"
