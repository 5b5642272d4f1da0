"""Reads the limits of a share group, and gives it the settings that this service needs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pywatt_kafka.admin.admin import Admin
from pywatt_kafka.admin.configs import Config
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.security.options import Security
from pywatt_kafka.share_groups.support import check_share_groups
from pywatt_services.kafka_hooks.config.milliseconds import MILLISECONDS
from pywatt_services.kafka_hooks.config.options import ConsumerOptions

logger = logging.getLogger("pywatt.kafka_hooks")

LOCK = "share.record.lock.duration.ms"
DELIVERY_LIMIT = "group.share.delivery.count.limit"
DEFAULT_DELIVERIES = 5
OWN = "group"
"""The source of a value that was set for the group itself."""


@dataclass(frozen=True, slots=True)
class ShareLimits:
    """Limits of a share group."""

    lock: float
    """Seconds for which a member holds a record."""
    deliveries: int
    """Deliveries of a record, the last one included."""


async def prepare_group(
    brokers: Sequence[str], security: Security, options: ConsumerOptions, topics: Iterable[str]
) -> ShareLimits:
    """Set where the group begins and what it reads, unless it has settings of its own; return its limits.

    Kafka's defaults would lose what was written before the group's first member, and deliver aborted records. Raises
    KafkaError.
    """
    group = options.group_id
    await check_share_groups(tuple(brokers), security)
    async with Admin(brokers, security=security) as admin:
        configs = await admin.describe_configs("group", group)
        wanted = {
            "share.auto.offset.reset": options.start_at.value,
            "share.isolation.level": options.fetching.isolation.value,
        }
        if options.share_session_timeout is not None:
            wanted["share.session.timeout.ms"] = str(int(options.share_session_timeout * MILLISECONDS))
        changes = _changes(group, configs, wanted)
        if changes:
            try:
                await admin.alter_configs("group", group, changes)
            except KafkaUnavailable:
                raise
            except KafkaError as error:
                told = ",".join(f"{name}={value}" for name, value in changes.items())
                raise KafkaError(
                    f"the share group {group} is not read, as it cannot be given {told}: {error.message}",
                    hint=f"allow AlterConfigs for the group, or: kafka-configs --alter --group {group} "
                    f"--add-config {told}",
                ) from error
        return ShareLimits(
            lock=int(configs[LOCK].value or 0) / MILLISECONDS, deliveries=await _deliveries(admin, topics)
        )


def _changes(group: str, configs: Mapping[str, Config], wanted: Mapping[str, str]) -> Mapping[str, str | None]:
    """Return the settings that the group lacks; pure but for the log."""
    changes: dict[str, str | None] = {}
    for name, value in wanted.items():
        found = configs[name]
        if found.source != OWN:
            if found.value != value:
                changes[name] = value
        elif found.value != value:
            logger.warning("the share group %s has %s=%s, which counts, not %s", group, name, found.value, value)
    return changes


async def _deliveries(admin: Admin, topics: Iterable[str]) -> int:
    """Return the limit of deliveries, as the brokers have it."""
    try:
        for topic in await admin.describe_topics(topics):
            for partition in topic.partitions:
                if partition.leader is not None:
                    configs = await admin.describe_configs("broker", str(partition.leader))
                    return int(configs[DELIVERY_LIMIT].value or DEFAULT_DELIVERIES)
    except KafkaUnavailable:
        raise
    except KafkaError as error:
        logger.warning(
            "%s is taken for %d, Kafka's default, as it cannot be read: %s", DELIVERY_LIMIT, DEFAULT_DELIVERIES, error
        )
    return DEFAULT_DELIVERIES
