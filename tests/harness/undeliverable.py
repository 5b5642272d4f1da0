"""Records that are never delivered: aborted transactions, and records deleted before the log start."""

from __future__ import annotations

from functools import partial

import anyio.to_thread
from aiokafka import TopicPartition as NativePartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from confluent_kafka import Producer as NativeProducer

LIMIT = 30.0  # seconds


async def transaction(broker: str, topic: str, records: int, *, partition: int = 0, commit: bool) -> None:
    """Write records in one transaction, and commit or abort it."""
    await anyio.to_thread.run_sync(partial(_transaction, broker, topic, partition, records, commit))


def open_transaction(broker: str, topic: str, records: int) -> NativeProducer:
    """Begin a transaction with so many records in the first partition, and return its producer."""
    native = NativeProducer({"bootstrap.servers": broker, "transactional.id": f"{topic}-open"})
    native.init_transactions(LIMIT)
    native.begin_transaction()
    for number in range(records):
        native.produce(topic, b"%d" % number, partition=0)
    native.flush(LIMIT)
    return native


async def delete_records(broker: str, topic: str, before: int, *, partition: int = 0) -> None:
    """Let the log start at the offset `before`, as retention does."""
    admin = AIOKafkaAdminClient(bootstrap_servers=broker)
    await admin.start()
    try:
        await admin.delete_records({NativePartition(topic, partition): RecordsToDelete(before_offset=before)})
    finally:
        await admin.close()


def _transaction(broker: str, topic: str, partition: int, records: int, commit: bool) -> None:
    native = NativeProducer({"bootstrap.servers": broker, "transactional.id": f"{topic}-{partition}"})
    native.init_transactions(LIMIT)
    native.begin_transaction()
    for number in range(records):
        native.produce(topic, b"%d" % number, partition=partition)
    native.flush(LIMIT)
    if commit:
        native.commit_transaction(LIMIT)
    else:
        native.abort_transaction(LIMIT)
