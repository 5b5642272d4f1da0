"""`"mode": "share"` refuses what needs an order or an ordinary group, and says where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pywatt.service_type import OptionsError, Placement
from pywatt_kafka import Isolation
from pywatt_schemas import service_file
from pywatt_services.kafka_hooks import TYPE
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions, StartAt
from pywatt_services.kafka_hooks.webhooks.options import Order

PLACEMENT = Placement(id="kafka-hooks", path=Path("/app/kafka-hooks"), services=("kafka-hooks", "api"))
ENTRY = {"topic": "orders", "url": "http://api.plt.local/orders"}


def document(*, entry: dict[str, Any] | None = None, consumer: dict[str, Any] | None = None, **more: Any) -> Any:
    return {
        "brokers": ["localhost:9092"],
        "topics": [{**ENTRY, **(entry or {})}],
        "consumer": {"groupId": "g", "mode": "share", **(consumer or {})},
        **more,
    }


def options_of(data: dict[str, Any]) -> KafkaHooksOptions:
    jsonschema.validate(data, service_file(TYPE.schema))
    options = TYPE.configure(data, PLACEMENT).options
    assert isinstance(options, KafkaHooksOptions)
    return options


def test_records_have_no_order_and_the_group_begins_with_the_earliest() -> None:
    options = options_of(document())
    assert options.consumer is not None
    assert (options.is_share, options.consumer.start_at, options.consumer.max_records) == (True, StartAt.EARLIEST, None)
    assert options.consumer.fetching.isolation is Isolation.READ_COMMITTED
    assert [webhook.order for webhook in options.webhooks] == [Order.NONE]
    chosen = options_of(
        document(order="none", consumer={"fallbackMode": "latest", "highWaterMark": 5, "sessionTimeout": 6000})
    ).consumer
    assert chosen is not None
    assert (chosen.start_at, chosen.max_records, chosen.share_session_timeout) == (StartAt.LATEST, 5, 6.0)


def test_it_needs_confluent_kafka_with_either_engine() -> None:
    for engine in ("aiokafka", "rdkafka"):
        needed = TYPE.configure(document(engine=engine), PLACEMENT).requires
        assert [each.module for each in needed] == ["aiokafka", "confluent_kafka"]


@pytest.mark.parametrize(
    ("data", "key", "message"),
    [
        (document(entry={"order": "key"}), "topics[0].order", "order is key, but a share group"),
        (document(order="partition"), "order", "order is partition, but a share group"),
        (document(entry={"retry": {"topic": True}}), "topics[0].retry.topic", "in no retry topic"),
        (document(retry={"topic": "again"}), "retry.topic", "in no retry topic"),
        (document(consumer={"heartbeatInterval": 600}), "consumer.heartbeatInterval", "has no meaning with mode share"),
        (document(consumer={"groupInstanceId": "a"}), "consumer.groupInstanceId", "has no meaning with mode share"),
        (document(consumer={"fallbackMode": "fail"}), "consumer.fallbackMode", "no committed offsets"),
        (document(brokers=["embedded"]), "brokers", "the embedded broker has no share groups"),
        (
            {**document(), "topics": [{"pattern": "a.*", "url": ENTRY["url"]}]},
            "topics[0].pattern",
            "share groups read topics by name only",
        ),
    ],
)
def test_what_has_no_meaning_is_refused(data: dict[str, Any], key: str, message: str) -> None:
    jsonschema.validate(data, service_file(TYPE.schema))
    with pytest.raises(OptionsError) as caught:
        TYPE.configure(data, PLACEMENT)
    (problem,) = caught.value.problems
    assert problem.key == key
    assert message in problem.message
    assert problem.hint
