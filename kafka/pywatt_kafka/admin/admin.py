"""The administration of a cluster."""

from __future__ import annotations

from pywatt_kafka.admin.configs import ConfigOperations
from pywatt_kafka.admin.groups import GroupOperations
from pywatt_kafka.admin.topics import TopicOperations


class Admin(TopicOperations, GroupOperations, ConfigOperations):
    """Lists, describes and changes topics, partitions, configs, groups, offsets and records.

    It has no engine: it speaks to the brokers by itself, over the connections of aiokafka.

    async with Admin("localhost:9092") as admin:
        await admin.create_topics([NewTopic("orders", partitions=4, configs={"retention.ms": "86400000"})])
        await admin.reset_offsets("billing", timedelta(hours=1))
    """
