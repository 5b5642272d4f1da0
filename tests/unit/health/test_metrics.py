"""The gauges of consumer lag."""

from __future__ import annotations

from pywatt_kafka.lag.verdict import Finding, Verdict
from pywatt_kafka.records import TopicPartition
from pywatt_services.health.lag import WatchedGroup
from pywatt_services.health.metrics import lag_families
from pywatt_services.health.options import LagWatch
from pywatt_services.kafka_hooks.metrics.prometheus import write_text


def test_gauges() -> None:
    watch = LagWatch(brokers=("a:1",), groups=("g", "new"))
    findings = {
        TopicPartition("t", 0): Finding(verdict=Verdict.STALLED, records=50, seconds=12.5, threshold=100),
        TopicPartition("t", 1): Finding(verdict=Verdict.OK, records=3, seconds=None, threshold=100),
    }
    groups = [
        WatchedGroup(group="g", watch=watch, known=True, members=2, findings=findings),
        WatchedGroup(group="new", watch=watch, known=False),
    ]
    samples = [line for line in write_text(lag_families(groups), {}).splitlines() if not line.startswith("#")]
    assert samples == [
        'kafka_consumer_group_lag_records{group="g",topic="t",partition="0"} 50',
        'kafka_consumer_group_lag_records{group="g",topic="t",partition="1"} 3',
        'kafka_consumer_group_lag_seconds{group="g",topic="t",partition="0"} 12.5',
        'kafka_consumer_group_alarm{group="g",topic="t",partition="0"} 1',
        'kafka_consumer_group_alarm{group="g",topic="t",partition="1"} 0',
        'kafka_consumer_group_known{group="g"} 1',
        'kafka_consumer_group_known{group="new"} 0',
        'kafka_consumer_group_members{group="g"} 2',
    ]
