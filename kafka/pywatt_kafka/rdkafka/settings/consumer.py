"""Makes the settings of a confluent-kafka Consumer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pywatt_kafka.engine.settings import GroupSettings
from pywatt_kafka.rdkafka.settings.client import client_settings, fetch_settings
from pywatt_kafka.rdkafka.settings.options import check, merged
from pywatt_kafka.security.options import Security

QUEUED_RECORDS = 20_000  # per partition, above which fetching pauses ...
QUEUE_BACKOFF = 10  # ms ... for this time; the default is 1 s
QUEUED_KILOBYTES = 16 * 1024
COOPERATIVE = "cooperative-sticky"

KEYWORDS = {
    "group.id": "group",
    "group.instance.id": "instance_id",
    "group.protocol": "protocol",
    "session.timeout.ms": "session_timeout",
    "heartbeat.interval.ms": "heartbeat_interval",
    "max.poll.interval.ms": "rebalance_timeout",
    "isolation.level": "fetching",
    "fetch.min.bytes": "fetching",
    "fetch.max.bytes": "fetching",
    "max.partition.fetch.bytes": "fetching",
    "fetch.wait.max.ms": "fetching",
    "auto.offset.reset": "fallback",
}
"""The keyword of this library for each option that has one."""
RESERVED = {"enable.auto.commit", "enable.auto.offset.store", "enable.partition.eof", "allow.auto.create.topics"}
"""Options that this library must set."""


def consumer_settings(
    brokers: Sequence[str], given: GroupSettings, security: Security, *, consumer_protocol: bool
) -> dict[str, Any]:
    """Return the settings of a member of a group. Raises KafkaError for options that it cannot have."""
    member = given.membership
    settings: dict[str, Any] = {
        **client_settings(brokers, given.client_id, security),
        "group.id": member.group,
        # it is also how long the group waits for this member in a rebalance
        "max.poll.interval.ms": int(max(member.rebalance_timeout, member.session_timeout) * 1000),
        **fetch_settings(given.fetching),
        "auto.offset.reset": "earliest",
        "allow.auto.create.topics": False,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,  # the only sign that what follows the last record is never returned
        "queued.min.messages": QUEUED_RECORDS,
        "fetch.queue.backoff.ms": QUEUE_BACKOFF,
        "queued.max.messages.kbytes": QUEUED_KILOBYTES,
    }
    if consumer_protocol:
        settings["group.protocol"] = "consumer"  # the broker sets the timeouts and the assignor
    else:
        settings |= {
            "session.timeout.ms": int(member.session_timeout * 1000),
            "heartbeat.interval.ms": int(member.heartbeat * 1000),
            "partition.assignment.strategy": "roundrobin",  # as in aiokafka
        }
    if member.instance_id is not None:
        settings["group.instance.id"] = member.instance_id
    return merged(settings, given.options, keywords=KEYWORDS, reserved=RESERVED)


def is_incremental(settings: dict[str, Any]) -> bool:
    """Return whether a rebalance tells only what changes, instead of the whole assignment."""
    return settings.get("group.protocol") == "consumer" or settings.get("partition.assignment.strategy") == COOPERATIVE


def check_group_options(brokers: Sequence[str], given: GroupSettings, security: Security) -> None:
    """Let librdkafka check the options of a member. Raises KafkaError."""
    from confluent_kafka.cimpl import Consumer

    check(
        Consumer, consumer_settings(brokers, given, security, consumer_protocol=given.membership.protocol != "classic")
    )
