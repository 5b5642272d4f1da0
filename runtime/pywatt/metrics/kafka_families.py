"""The metrics of kafka-hooks and of consumer lag."""

from __future__ import annotations

from pywatt.metrics.family import Alert, Family, Group, Kind, Merge

HOOKS_IN_FLIGHT = Family(
    name="kafka_hooks_messages_in_flight",
    kind=Kind.GAUGE,
    help="Number of messages currently being processed",
    group=Group.HOOKS,
    labels=("topic",),
)
HOOKS_SECONDS = Family(
    name="kafka_hooks_http_request_duration_seconds",
    kind=Kind.HISTOGRAM,
    help="HTTP request duration for webhook deliveries",
    group=Group.HOOKS,
    labels=("topic", "method", "status_code"),
    unit="seconds",
    buckets=(0.1, 0.5, 1.0, 2.0, 5.0, 10.0),
)
HOOKS_DEAD_LETTERS = Family(
    name="kafka_hooks_dlq_messages_total",
    kind=Kind.COUNTER,
    help="Total number of messages sent to the DLQ (Dead Letter Queue)",
    group=Group.HOOKS,
    labels=("topic", "reason"),
    alerts=(
        Alert(
            name="PywattDeadLetters",
            expression="increase($NAME[15m]) > 0",
            summary="records of {{ $labels.topic }} become dead letters: {{ $labels.reason }}",
            lasting="0m",
        ),
    ),
)
HOOKS_RETRIES = Family(
    name="kafka_hooks_retries_total",
    kind=Kind.COUNTER,
    help="Failed attempts that another one follows",
    group=Group.HOOKS,
    labels=("topic",),
)
HOOKS_PUBLISHED = Family(
    name="kafka_hooks_published_messages_total",
    kind=Kind.COUNTER,
    help="Records that HTTP clients have published, acknowledged by the brokers",
    group=Group.HOOKS,
    labels=("topic",),
)
HOOKS_BUFFERED = Family(
    name="kafka_hooks_publish_buffered_bytes",
    kind=Kind.GAUGE,
    help="Bytes of published records that wait for their acknowledgement",
    group=Group.HOOKS,
    unit="bytes",
)
HOOKS_REQUESTS_WAITING = Family(
    name="kafka_hooks_requests_waiting",
    kind=Kind.GAUGE,
    help="Requests that wait for their reply",
    group=Group.HOOKS,
)
HOOKS_OLDEST = Family(
    name="kafka_hooks_oldest_unfinished_seconds",
    kind=Kind.GAUGE,
    help="Age of the oldest record that is in work or waits",
    group=Group.HOOKS,
    labels=("topic", "partition"),
    unit="seconds",
    merge=Merge.MAX,
    alerts=(
        Alert(
            name="PywattRecordStuck",
            expression="$NAME > 300",
            summary="a record of {{ $labels.topic }} has been waiting for more than 5 minutes",
            lasting="1m",
        ),
    ),
)
HOOKS_BREAKER = Family(
    name="kafka_hooks_breaker_state",
    kind=Kind.GAUGE,
    help="Circuit breaker of a target: 0 closed, 1 trying one record, 2 open",
    group=Group.HOOKS,
    labels=("topic", "url"),
    merge=Merge.MAX,
    alerts=(
        Alert(
            name="PywattBreakerOpen",
            expression="$NAME == 2",
            summary="the target {{ $labels.url }} of {{ $labels.topic }} fails, and gets no calls for a while",
        ),
    ),
)
HOOKS_LAG = Family(
    name="kafka_hooks_consumer_lag",
    kind=Kind.GAUGE,
    help="Records that are not committed yet",
    group=Group.HOOKS,
    labels=("topic", "partition"),
    merge=Merge.MAX,
)
LAG_RECORDS = Family(
    name="kafka_consumer_group_lag_records",
    kind=Kind.GAUGE,
    help="Records that the group has yet to process",
    group=Group.LAG,
    labels=("group", "topic", "partition"),
    merge=Merge.MAX,
)
LAG_SECONDS = Family(
    name="kafka_consumer_group_lag_seconds",
    kind=Kind.GAUGE,
    help="Age of the oldest of these records",
    group=Group.LAG,
    labels=("group", "topic", "partition"),
    unit="seconds",
    merge=Merge.MAX,
)
LAG_ALARM = Family(
    name="kafka_consumer_group_alarm",
    kind=Kind.GAUGE,
    help="1 if the group is stalled, falls behind, is late or has no member",
    group=Group.LAG,
    labels=("group", "topic", "partition"),
    merge=Merge.MAX,
    alerts=(
        Alert(
            name="PywattConsumerLag",
            expression="$NAME == 1",
            summary="the group {{ $labels.group }} does not keep up with {{ $labels.topic }}",
        ),
    ),
)
LAG_KNOWN = Family(
    name="kafka_consumer_group_known",
    kind=Kind.GAUGE,
    help="1 if the cluster knows the group",
    group=Group.LAG,
    labels=("group",),
    merge=Merge.MAX,
)
LAG_MEMBERS = Family(
    name="kafka_consumer_group_members",
    kind=Kind.GAUGE,
    help="Members of the group",
    group=Group.LAG,
    labels=("group",),
    merge=Merge.MAX,
)

FAMILIES: tuple[Family, ...] = (
    HOOKS_IN_FLIGHT,
    HOOKS_SECONDS,
    HOOKS_DEAD_LETTERS,
    HOOKS_RETRIES,
    HOOKS_PUBLISHED,
    HOOKS_BUFFERED,
    HOOKS_REQUESTS_WAITING,
    HOOKS_OLDEST,
    HOOKS_BREAKER,
    HOOKS_LAG,
    LAG_RECORDS,
    LAG_SECONDS,
    LAG_ALARM,
    LAG_KNOWN,
    LAG_MEMBERS,
)
