"""Encodes the dead letter of a delivery: names the target and the record as kafka-hooks does elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from pywatt_kafka.dlq.codec import DeadLetterFormat, encode
from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.target_name import TargetName, id_text
from pywatt_services.kafka_hooks.wire.headers import id_prefix


def dead_letter(
    message: Message,
    failures: Sequence[Attempt],
    form: DeadLetterFormat,
    *,
    attempts: int,
    now: float,
    target: TargetName | None = None,
    whole: bool = True,
) -> bytes:
    """Return a dead letter's JSON; `failures` are the last of the `attempts` at a `target`; `whole` as for `encode`."""
    return encode(
        message,
        failures,
        form,
        attempts=attempts,
        now=now,
        webhook_id=f"{id_prefix(message.topic, message.partition)}{message.offset}",
        target={} if target is None else {"target": target.url, "targetId": id_text(target.id)},
        whole=whole,
    )
