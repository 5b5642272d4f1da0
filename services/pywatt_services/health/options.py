"""Options of the service type `health`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pywatt.errors import Problem
from pywatt.service_type import OptionsError

PLUGIN = "@platformatic/watt-plugin-kafka-health"
DEFAULT_THRESHOLD = 1000
DEFAULT_INTERVAL = 30.0
MILLISECONDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LagWatch:
    """Consumer groups of one cluster whose lag is watched."""

    brokers: tuple[str, ...]
    groups: tuple[str, ...]
    threshold: int = DEFAULT_THRESHOLD
    """Largest lag of a partition, in records."""
    topics: Mapping[str, int] = field(default_factory=dict)
    """The topics to watch, with the threshold of each; empty: all topics of the group, with `threshold`."""
    interval: float = DEFAULT_INTERVAL
    """Seconds between two checks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """Consumer groups to watch besides the app's own services."""

    watches: tuple[LagWatch, ...] = ()


def configure(document: Mapping[str, Any]) -> HealthOptions:
    """Return the options of a document that passed the schema. Raises OptionsError."""
    return HealthOptions(watches=tuple(_watch(key, block) for key, block in _blocks(document)))


def _blocks(document: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    if "health" in document:
        yield "health", document["health"]
    for index, plugin in enumerate(document.get("plugins", ())):
        if plugin["package"] == PLUGIN:
            yield f"plugins.{index}.options", plugin.get("options", {})
        else:
            raise OptionsError(
                Problem(
                    message=f"the health service has no plugin {plugin['package']!r}",
                    key=f"plugins.{index}.package",
                    hint=f"it knows {PLUGIN}",
                )
            )


def _watch(key: str, block: Mapping[str, Any]) -> LagWatch:
    groups = (*([block["groupId"]] if "groupId" in block else []), *block.get("groups", ()))
    brokers = tuple(block.get("brokers", ()))
    for missing, present in (("brokers", brokers), ("groupId", groups)):
        if not present:
            raise OptionsError(
                Problem(
                    message=f"watching consumer lag needs {missing}",
                    key=f"{key}.{missing}",
                    hint='for instance {"brokers": ["{KAFKA_BROKERS}"], "groupId": "my-consumer-group"}',
                )
            )
    return LagWatch(
        brokers=brokers,
        groups=tuple(dict.fromkeys(groups)),
        threshold=block.get("lagThreshold", block.get("maxAllowedLag", DEFAULT_THRESHOLD)),
        topics=block.get("topics", {}),
        interval=block.get("checkInterval", block.get("interval", DEFAULT_INTERVAL * MILLISECONDS)) / MILLISECONDS,
    )
