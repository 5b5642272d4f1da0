"""Options of the service type `health`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pywatt.errors import Problem
from pywatt.service_type import Configured, OptionsError, Placement
from pywatt_kafka.lag.verdict import LagRules

EMBEDDED = "embedded"
"""Stands for the broker inside the app; its address is in KAFKA_BROKERS."""
PATH = "/health"
PLUGIN = "@platformatic/watt-plugin-kafka-health"
DEFAULT_THRESHOLD = 1000
DEFAULT_INTERVAL = 30.0
MILLISECONDS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class LagWatch:
    """Consumer groups of one cluster whose lag is watched."""

    brokers: tuple[str, ...]
    groups: tuple[str, ...]
    rules: LagRules = field(default_factory=LagRules)
    topics: tuple[str, ...] = ()
    """The topics to watch; none: all topics of the group."""
    unhealthy_if_stalled: bool = False
    """False: a group that does not move is unhealthy only with a lag above its threshold."""
    readiness: bool = False
    """True: the app is not ready while the lag is unhealthy."""
    scale: str | None = None
    """Id of the service whose number of workers follows the lag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthOptions:
    """Consumer groups to watch besides the app's own services."""

    watches: tuple[LagWatch, ...] = ()
    plugin_path: str | None = None
    """Path at the entrypoint, for the block `plugins`: it answers with status and lag alone. None: a service."""
    shadowed: str | None = None
    """Id of the service that would get requests for that path otherwise."""


def configure(document: Mapping[str, Any], placement: Placement) -> Configured:
    """Return the options of a document that passed the schema. Raises OptionsError."""
    watches = tuple(_watch(key, block, placement) for key, block in _blocks(document))
    options = HealthOptions(watches=watches, plugin_path=placement.plugin_path, shadowed=placement.shadowed)
    return Configured(
        options=options,
        needs_broker=any(EMBEDDED in watch.brokers for watch in watches),
        metrics_page="/metrics" if watches else None,
    )


def plugin_path(plugins: Sequence[Mapping[str, Any]]) -> str:
    """Return the path at the entrypoint, which the first plugin that has one names."""
    options = [plugin.get("options", {}) for plugin in plugins]
    return next((str(block["path"]) for block in options if "path" in block), PATH)


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


def _watch(key: str, block: Mapping[str, Any], placement: Placement) -> LagWatch:
    scaled = block.get("scale")
    if scaled is not None and scaled not in (*placement.services, *placement.left_out):
        raise OptionsError(
            Problem(
                message=f"there is no service with the id {scaled!r}",
                key=f"{key}.scale",
                hint=f"the app's services: {', '.join(placement.services)}",
            )
        )
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
    interval = block.get("checkInterval", block.get("interval", DEFAULT_INTERVAL * MILLISECONDS)) / MILLISECONDS
    topics = block.get("topics", {})
    late = block.get("timeLagThreshold")
    return LagWatch(
        brokers=brokers,
        groups=tuple(dict.fromkeys(groups)),
        rules=LagRules(
            interval=interval,
            threshold=block.get("lagThreshold", block.get("maxAllowedLag", DEFAULT_THRESHOLD)),
            topics=topics,
            seconds=None if late is None else late / MILLISECONDS,
        ),
        topics=tuple(topics),
        unhealthy_if_stalled=block.get("onStall") == "unhealthy",
        readiness=block.get("readiness", False),
        scale=block.get("scale"),
    )
